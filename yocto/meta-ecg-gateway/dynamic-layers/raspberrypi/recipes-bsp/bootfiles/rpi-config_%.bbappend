# The recipe hands this to printf: a line of config.txt of its own.
RPI_EXTRA_CONFIG:append:rpi = " \ndtoverlay=ads1292\n"
