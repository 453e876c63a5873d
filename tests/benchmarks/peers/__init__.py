"""What the benchmarks share: conditions that every engine gets in its own language, made-up data, and a fair clock."""
