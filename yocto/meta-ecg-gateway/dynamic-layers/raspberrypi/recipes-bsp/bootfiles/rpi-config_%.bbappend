# The recipe hands this to printf: a line of config.txt of its own.
# nooelint: oelint.vars.mispell.unknown - a variable of meta-raspberrypi
RPI_EXTRA_CONFIG:append:rpi = " \ndtoverlay=ads1292\n"
