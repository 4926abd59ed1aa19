# nooelint: oelint.var.suggestedvar.BUGTRACKER - the project has no tracker to name
SUMMARY = "ECG gateway: read-only root, data on a partition of its own"
DESCRIPTION = "Boots into the gateway. Nothing of the root is ever written; beats and ECG lie on the file system labelled ecg-data."
SECTION = "base"
CVE_PRODUCT = ""
LICENSE = "MIT"

inherit core-image features_check

# The units of the gateway and of its data partition.
REQUIRED_DISTRO_FEATURES = "systemd"

IMAGE_FEATURES += "read-only-rootfs"
IMAGE_LINGUAS = ""

# curl asks the socket.
IMAGE_INSTALL = "\
    packagegroup-core-boot \
    ecg-gateway \
    ecg-gateway-data \
    ecg-gateway-models \
    curl \
    ${CORE_IMAGE_EXTRA_INSTALL} \
"
