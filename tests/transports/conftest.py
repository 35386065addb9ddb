"""Certificates and letters for the tests of transports."""

from pathlib import Path

import pytest
from tests.transports.certificates import Certificates, make_certificates


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority, a good certificate and the bad ones."""
    folder: Path = tmp_path_factory.mktemp("certificates")
    return make_certificates(folder)
