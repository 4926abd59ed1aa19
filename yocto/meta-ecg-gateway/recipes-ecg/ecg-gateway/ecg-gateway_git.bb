# nooelint: oelint.var.mandatoryvar.HOMEPAGE,oelint.var.suggestedvar.BUGTRACKER,oelint.var.bbclassextend - for the target only; the project has neither a home page nor a tracker to name
SUMMARY = "ECG gateway for ADS1292 front-ends"
SUMMARY:${PN}-models = "ECG gateway: weights as files, those of the evaluation among them"
SUMMARY:${PN}-data = "ECG gateway: mounts the data partition"
DESCRIPTION = "Reads a TI ADS1292/ADS1292R over SPI, finds and classifies every heartbeat, keeps the beats in SQLite and serves them over a Unix socket. An engineering and research system, not a medical device."
SECTION = "console/utils"
CVE_PRODUCT = "ecg-gateway"
# SPDX expressions came with blacksail; wrynose has operators of its own.
LICENSE = "MIT ${@bb.utils.contains('LAYERSERIES_CORENAMES', 'blacksail', 'OR', '|', d)} Apache-2.0"
LIC_FILES_CHKSUM = "\
    file://LICENSE-MIT;md5=c5a5959c23d2f5ac5607946597fe1723 \
    file://LICENSE-APACHE;md5=22a53954e4e0ec258dfce4391e905dac \
"

require ecg-gateway-crates.inc

PV = "0.1.0+git"

# The clone this layer lies in, at what is checked out there: layer and program are of one revision, and
# whoever pins the one pins the other. A copy of the layer elsewhere names a clone of the project.
ECG_GATEWAY_SOURCE ?= "${@os.path.normpath('${THISDIR}/../../../..')}"
SRC_URI += "\
    git://${ECG_GATEWAY_SOURCE};protocol=file;usehead=1;nobranch=1 \
    file://data.mount \
"
# nooelint: oelint.vars.autorev - the head of that clone, see above
SRCREV = "${AUTOREV}"

inherit bash-completion cargo cargo-update-recipe-crates pkgconfig systemd useradd

PACKAGECONFIG ??= "\
    ${@bb.utils.filter('DISTRO_FEATURES', 'systemd', d)} \
    ${@bb.utils.contains('DISTRO_FEATURES', 'vulkan', 'gpu', '', d)} \
"
# Vulkan is opened at run time and may be missing: the CPU does without.
PACKAGECONFIG[gpu] = "--features gpu,,,,vulkan-loader mesa-vulkan-drivers"
# What ecg-gateway-web.service runs is in the extra package.
PACKAGECONFIG[systemd] = "--features systemd,,systemd,,systemd-extra-utils"

# The class builds the profile release: made here what the profile dist is (Cargo.toml). The packaging strips, and
# keeps the symbols for -dbg.
export CARGO_PROFILE_RELEASE_LTO = "fat"
export CARGO_PROFILE_RELEASE_CODEGEN_UNITS = "1"
export CARGO_PROFILE_RELEASE_STRIP = "none"

# Other lock files of the tree (fuzz targets, benchmarks) are not the program's.
CARGO_LOCK_SRC_DIR = "${WORKDIR}/program-lock"
do_update_crates:prepend() {
    install -D -m 0644 ${S}/Cargo.lock ${CARGO_LOCK_SRC_DIR}/Cargo.lock
}

do_install:append() {
    install -D -m 0644 ${S}/ecg-gateway.example.toml ${D}${sysconfdir}/ecg-gateway/ecg-gateway.toml
    install -D -m 0644 ${S}/systemd/ecg-gateway.service ${D}${systemd_system_unitdir}/ecg-gateway.service
    install -D -m 0644 ${S}/systemd/ecg-gateway.socket ${D}${systemd_system_unitdir}/ecg-gateway.socket
    install -m 0644 ${S}/systemd/ecg-gateway-backup.service ${S}/systemd/ecg-gateway-backup.timer \
        ${D}${systemd_system_unitdir}
    install -m 0644 ${S}/systemd/ecg-gateway-web.socket ${S}/systemd/ecg-gateway-web.service \
        ${D}${systemd_system_unitdir}
    install -D -m 0644 ${S}/systemd/ecg-gateway.tmpfiles ${D}${nonarch_libdir}/tmpfiles.d/ecg-gateway.conf
    install -D -m 0644 ${S}/systemd/60-ecg-gateway.rules \
        ${D}${nonarch_base_libdir}/udev/rules.d/60-ecg-gateway.rules
    install -d ${D}${mandir}/man1
    install -m 0644 ${S}/packaging/man/*.1 ${D}${mandir}/man1
    install -D -m 0644 ${S}/packaging/completions/ecg-gateway.bash \
        ${D}${datadir}/bash-completion/completions/ecg-gateway
    # Where the data partition is mounted.
    install -d -m 0750 -o ecg-gateway -g ecg-gateway ${D}${localstatedir}/lib/ecg-gateway

    install -d ${D}${datadir}/ecg-gateway/models ${D}${systemd_system_unitdir}/ecg-gateway.service.d
    install -m 0644 ${S}/models/*.safetensors ${S}/models/evaluation/*.safetensors ${S}/models/*.md \
        ${D}${datadir}/ecg-gateway/models
    printf '[Service]\nEnvironment=ECG_MODELS=%s\n' ${datadir}/ecg-gateway/models \
        > ${D}${systemd_system_unitdir}/ecg-gateway.service.d/models.conf

    # systemd's spelling of the path. Static: there is no recording without it.
    install -m 0644 ${UNPACKDIR}/data.mount '${D}${systemd_system_unitdir}/var-lib-ecg\x2dgateway.mount'
    install -d ${D}${systemd_system_unitdir}/local-fs.target.wants
    ln -s '../var-lib-ecg\x2dgateway.mount' ${D}${systemd_system_unitdir}/local-fs.target.wants/
}

PACKAGE_BEFORE_PN += "${PN}-models ${PN}-data"

FILES:${PN} += "\
    ${localstatedir}/lib/ecg-gateway \
    ${nonarch_base_libdir}/udev/rules.d \
    ${nonarch_libdir}/tmpfiles.d \
    ${systemd_system_unitdir}/ecg-gateway.* \
    ${systemd_system_unitdir}/ecg-gateway-backup.* \
    ${systemd_system_unitdir}/ecg-gateway-web.* \
"
FILES:${PN}-models += "\
    ${datadir}/ecg-gateway/models \
    ${systemd_system_unitdir}/ecg-gateway.service.d/models.conf \
"
FILES:${PN}-data += "\
    ${systemd_system_unitdir}/local-fs.target.wants \
    ${systemd_system_unitdir}/var-lib-ecg*.mount \
"
CONFFILES:${PN} = "${sysconfdir}/ecg-gateway/ecg-gateway.toml"

# A file system check before the mount.
RDEPENDS:${PN}-data += "e2fsprogs-e2fsck"

SYSTEMD_SERVICE:${PN} = "ecg-gateway.service"

# The groups that the udev rules give the device nodes to, as systemd/ecg-gateway.sysusers has them.
USERADD_PACKAGES = "${PN}"
GROUPADD_PARAM:${PN} = "--system spi; --system gpio; --system render"
USERADD_PARAM:${PN} = "--system --user-group --no-create-home --home-dir ${localstatedir}/lib/ecg-gateway \
                       --shell ${sbindir}/nologin --groups spi,gpio,render ecg-gateway"
