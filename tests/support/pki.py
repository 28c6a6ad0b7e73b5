"""A throw-away certificate authority for servers on loopback; valid for two days, gone with its folder."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

#: Clocks of machines that share a folder may differ a little.
_SKEW = dt.timedelta(hours=1)
_VALID = dt.timedelta(days=2)


class Issued(NamedTuple):
    """Files of one key pair, in PEM."""

    certificate: Path
    key: Path


class CertificateAuthority:
    """Signs certificates for servers and clients.

    Attributes:
        certificate: PEM file that clients trust.
    """

    def __init__(self, folder: Path, name: str = "ca") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.certificate = folder / f"{name}.crt"
        root = self._builder(self._name, self._key.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate.write_bytes(self._sign(root))

    def issue(
        self, common_name: str, *, groups: tuple[str, ...] = (), names: tuple[str, ...] = ("localhost",)
    ) -> Issued:
        """Issue a certificate for server and client use on 127.0.0.1.

        Args:
            common_name: For a client, the Kubernetes user; also the stem of the files.
            groups: For a client, the Kubernetes groups.
            names: DNS names of a server.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            ]
        )
        addresses = [x509.DNSName(name) for name in names]
        loopback = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
        leaf = (
            self._builder(subject, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName([*addresses, loopback]), critical=False)
        )
        files = Issued(self._folder / f"{common_name}.crt", self._folder / f"{common_name}.key")
        files.certificate.write_bytes(self._sign(leaf))
        files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return files

    def _builder(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + _VALID)
        )

    def _sign(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(Encoding.PEM)


def write_signing_key(path: Path) -> None:
    """Write the RSA key with which an API server signs service account tokens."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()))
