FILESEXTRAPATHS:prepend:rpi := "${THISDIR}/${BPN}:"

SRC_URI:append:rpi = " file://ecg-gateway-devices.cfg"

# ECG_GATEWAY_PREEMPT_RT = "0" leaves the kernel's preemption as the Raspberry Pi's layer has it. In 64 bits
# only: these kernels have no PREEMPT_RT on 32-bit Arm.
SRC_URI:append:rpi:aarch64 = " ${@bb.utils.contains('ECG_GATEWAY_PREEMPT_RT', '0', '', 'file://ecg-gateway-rt.cfg', d)}"
