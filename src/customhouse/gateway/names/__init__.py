"""The DNS proxy of contained devices: policy is asked first, and the kernel knows an address before the device does.

`wire` reads and writes packets, `answer` decides what of an upstream's answer may be believed, `proxy` is the
protocol without sockets, `server` and `upstream` are its sockets.
"""
