"""What pip writes becomes one sentence; the texts are pip's own."""

import pytest

from ContrastiveSegLib.SetUp.PipFailure import PipFailure

NETWORK = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by 'NewConnectionError('<pip._vendor.urllib3.connection.HTTPSConnection object at "
    "0x7f>: Failed to establish a new connection: [Errno -3] Temporary failure in name "
    "resolution')': /simple/monai/"
)
PROXY = (
    "WARNING: Retrying (Retry(total=0, connect=None, read=None, redirect=None, status=None)) after "
    "connection broken by 'ProxyError('Cannot connect to proxy.', OSError('Tunnel connection failed: 407 "
    "Proxy Authentication Required'))': /simple/monai/"
)
NO_VERSION = "ERROR: No matching distribution found for monai<2,>=1.4"


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([NETWORK, NO_VERSION], "There is no connection"),
        ([PROXY, NO_VERSION], "asks for a name and a password (407)"),
        (["SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] ..."], "certificates"),
        (
            [
                "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            ],
            "The disk is full",
        ),
        (
            [
                "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/opt/x'",
                "Check the permissions.",
            ],
            "cannot be written to",
        ),
        (
            ["ERROR: Could not install packages due to an OSError: [Errno 30] Read-only file system: '/x'"],
            "cannot be written to",
        ),
        (
            [
                "ERROR: Could not install packages due to an OSError: [WinError 5] Access is denied: "
                r"'C:\\Slicer\\torch\\lib\\c10.dll'"
            ],
            "are in use",
        ),
        (
            [
                "error: uninstall-no-record-file",
                "× Cannot uninstall monai None",
                "╰─> The package's contents are unknown: no RECORD file was found for monai.",
            ],
            "half installed",
        ),
        (
            ["Looking in links: /media/usb", "Processing x.whl", NO_VERSION],
            "folder of wheels holds no fitting 'monai'",
        ),
        ([NO_VERSION], "No fitting version of 'monai'"),
        (["ERROR: ResolutionImpossible: for help visit the page"], "do not go together"),
        (["/usr/bin/python: No module named pip"], "has lost its installer"),
        (["something", "ERROR: Quite another thing"], "'Installing MONAI' failed (Quite another thing)."),
        ([], "'Installing MONAI' failed (7)."),
    ],
)
def test_the_cause_is_told(lines, sentence):
    error = PipFailure.explain(lines, "Installing MONAI", 7)
    assert sentence in error.sentence and error.whatToDo.endswith(".")


def test_an_installer_that_was_killed_is_told():
    error = PipFailure.explain(["Collecting torch"], "Installing PyTorch", 137, wasKilled=True)
    assert "ended from outside" in error.sentence
