"""Generates what an organization trusts and allows: certificates, retention, spend, external keys and identities."""

from auditor.simulator import settings
from auditor.simulator.dice import DAY, Dice
from auditor.simulator.model import Organization, Project, Provider


def equip(organization: Organization, seed: int, now: int) -> None:
    """Fill in the settings of the organization; needs its projects."""
    dice = Dice(seed, "trust", now)
    organization.spend_limit = settings.SpendLimit(
        object="organization.spend_limit",
        threshold_amount=2_500_000,
        enforcement=settings.Enforcement("inactive"),
    )
    for cents in (1_250_000, 2_000_000):
        alert = settings.SpendAlert(
            id=dice.ident("alert_", 16),
            object="organization.spend_alert",
            threshold_amount=cents,
            notification_channel=settings.Channel(recipients=["finance@example.com"], subject_prefix="[spend]"),
        )
        organization.spend_alerts[alert.id] = alert
    _add_certificates(organization, dice)
    home = organization.active_projects[1]
    _add_external_key(organization, home, dice)
    _add_external_storage(organization, home, dice)
    _add_identity_providers(organization, home, dice)


def _add_certificates(organization: Organization, dice: Dice) -> None:
    """One that expires soon, one in order, one that expired and is still active, one never activated."""
    for name, created_at, expires_at, active in (
        ("gateway-2024", dice.ago(500, 600), dice.ago(10, 40), True),
        ("gateway-2025", dice.ago(300, 340), dice.ahead(3, 12), True),
        ("gateway-next", dice.ago(20, 30), dice.ahead(200, 300), True),
        ("laboratory", dice.ago(5, 15), dice.ahead(100, 200), False),
    ):
        certificate = settings.Certificate(
            id=dice.ident("cert_", 16),
            object="organization.certificate",
            name=name,
            created_at=created_at,
            certificate_details=settings.Validity(valid_at=created_at - DAY, expires_at=expires_at),
            active=active,
        )
        organization.certificates[certificate.id] = certificate
    soon = list(organization.certificates.values())[1]
    for project in organization.active_projects[:2]:
        project.certificates[soon.id] = settings.Certificate(
            id=soon.id,
            object="organization.project.certificate",
            name=soon.name,
            created_at=soon.created_at,
            certificate_details=soon.certificate_details,
            active=project is organization.default_project,
        )


def _add_external_key(organization: Organization, project: Project, dice: Dice) -> None:
    key = settings.ExternalKey(
        id=dice.ident("ek_", 16),
        name="primary",
        created_at=dice.ago(60, 300),
        workspace_id=organization.id,
        api_project_ids=[project.id],
        kms_arn="arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        role_arn="arn:aws:iam::111122223333:role/external-key",
        external_id=dice.ident("", 16),
    )
    organization.external_keys[key.id] = key
    project.record.external_key_id = key.id


def _add_external_storage(organization: Organization, project: Project, dice: Dice) -> None:
    storage = settings.ExternalStorage(
        id=dice.ident("storage_", 16),
        project_id=project.id,
        geography="EU",
        created_at=dice.ago(60, 300),
        status="degraded",
        provider=settings.Bucket(
            account_id="111122223333",
            bucket="example-openai-data",
            external_id=dice.ident("", 16),
            region="eu-central-1",
            role_arn="arn:aws:iam::111122223333:role/external-storage",
        ),
    )
    organization.external_storage[storage.id] = storage


def _add_identity_providers(organization: Organization, project: Project, dice: Dice) -> None:
    """One with a tight rule, and one verified by uploaded keys with a rule that any token of the owner matches."""
    uploaded = settings.UploadedKeys(jwks={"keys": [{"kty": "EC", "crv": "P-256", "kid": "sample"}]})
    account = next(iter(project.service_accounts.values()))
    for name, issuer, verification, matchers, permissions in (
        (
            "continuous-integration",
            "https://ci.example.com",
            settings.Discovery(discovery_url="https://ci.example.com/.well-known/openid-configuration"),
            {"repository": "example/assistant", "ref": "refs/heads/main"},
            settings.RulePermissions(type="restricted", scopes=["api.model.request"]),
        ),
        (
            "cluster",
            "https://cluster.example.org",
            uploaded,
            {"repository_owner": "example"},
            settings.RulePermissions(type="service_account_default"),
        ),
    ):
        created_at = dice.ago(200, 300)
        record = settings.IdentityProvider(
            id=dice.ident("wip_", 16),
            name=name,
            description=None,
            issuer=issuer,
            audience="https://api.openai.com/v1",
            enabled=True,
            attribute_transformations=[settings.Transformation("repository", "assertion.repository")],
            verification=verification,
            created_at=created_at,
            updated_at=created_at,
        )
        rule = settings.FederationRule(
            id=dice.ident("wifr_", 16),
            workload_identity_provider_id=record.id,
            project_id=project.id,
            service_account_id=account.id,
            name=f"{name}-deploys",
            description=None,
            enabled=True,
            attribute_matchers=dict(matchers),
            permissions=permissions,
            created_at=created_at,
            updated_at=created_at,
        )
        organization.providers[record.id] = Provider(record, {rule.id: rule})
