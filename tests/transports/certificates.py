"""Certificates for relays on loopback, made when they are needed: a good one, and three that nobody should accept."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

CertificateKind = Literal["good", "self-signed", "expired", "wrong-name"]
KINDS: Final[tuple[CertificateKind, ...]] = ("good", "self-signed", "expired", "wrong-name")


@dataclass(frozen=True)
class Certificates:
    """A folder with `ca.pem` and `<kind>.pem`, each of the latter with its key."""

    folder: Path

    @property
    def authority(self) -> Path:
        return self.folder / "ca.pem"

    def of(self, kind: CertificateKind) -> Path:
        return self.folder / f"{kind}.pem"


def make_certificates(folder: Path) -> Certificates:
    """Write one authority and a certificate of each kind."""
    now = datetime.now(UTC)
    folder.mkdir(parents=True, exist_ok=True)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("Invented Authority")
    ca = (
        _begin(ca_name, ca_name, ca_key.public_key(), now - timedelta(days=90), now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(ca_key, hashes.SHA256())
    )
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    for kind in KINDS:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name("relay.example")
        until = now - timedelta(days=1) if kind == "expired" else now + timedelta(days=1)
        names: list[x509.GeneralName] = [x509.DNSName("elsewhere.example")]
        if kind != "wrong-name":
            names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        own = kind == "self-signed"
        made = (
            _begin(subject, subject if own else ca_name, key.public_key(), now - timedelta(days=30), until)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key if own else ca_key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (folder / f"{kind}.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return Certificates(folder)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common)])


def _begin(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, since: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(until)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates, encipher_only=False,
        decipher_only=False,
    )  # fmt: skip
