# nooelint: oelint.vars.specific - rpi is an override of meta-raspberrypi's machines
WKS_FILE:rpi = "ecg-gateway.wks.in"

# Size of the data partition in MiB as written to the card; it can be made larger there.
# nooelint: oelint.vars.mispell.unknown - a variable of this layer
ECG_GATEWAY_DATA_MIB ?= "1024"

# config.txt names the overlay; it lies where the firmware looks for it.
# nooelint: oelint.vars.specific - as above
IMAGE_BOOT_FILES:append:rpi = " devicetree/ads1292.dtbo;overlays/ads1292.dtbo"
# nooelint: oelint.vars.mispell.unknown - a task of image_types_wic.bbclass
do_image_wic[depends] += "ads1292-overlay:do_deploy"
