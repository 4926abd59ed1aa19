WKS_FILE:rpi = "ecg-gateway.wks.in"

# Size of the data partition in MiB as written to the card; it can be made larger there.
ECG_GATEWAY_DATA_MIB ?= "1024"

# config.txt names the overlay; it lies where the firmware looks for it.
IMAGE_BOOT_FILES:append:rpi = " devicetree/ads1292.dtbo;overlays/ads1292.dtbo"
do_image_wic[depends] += "ads1292-overlay:do_deploy"
