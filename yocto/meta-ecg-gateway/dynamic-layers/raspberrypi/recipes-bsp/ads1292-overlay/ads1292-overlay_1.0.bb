# nooelint: oelint.var.mandatoryvar.HOMEPAGE,oelint.var.suggestedvar.BUGTRACKER,oelint.var.bbclassextend - for the target only; the project has neither a home page nor a tracker to name
SUMMARY = "Device tree overlay: ADS1292 on SPI0 of the Raspberry Pi"
DESCRIPTION = "Enables SPI0 and its user-space device at chip select 0, and sets up DRDY, START and RESET."
SECTION = "bsp"
CVE_PRODUCT = "ecg-gateway"
# SPDX expressions came with blacksail; wrynose has operators of its own.
LICENSE = "MIT ${@bb.utils.contains('LAYERSERIES_CORENAMES', 'blacksail', 'OR', '|', d)} Apache-2.0"
LIC_FILES_CHKSUM = "file://ads1292.dts;beginline=1;endline=1;md5=55ecc515da66af0919eadb7a07d9bc4f"

SRC_URI = "file://ads1292.dts"

inherit devicetree

# The source takes nothing from the kernel's headers.
# nooelint: oelint.vars.mispell.unknown - a variable of devicetree.bbclass
KERNEL_INCLUDE = ""

COMPATIBLE_MACHINE = "^rpi$"
