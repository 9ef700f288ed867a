"""Texts of common forms, for where a program asks for a number, an address, a name, a time."""

VALUES = (
    b"7",
    b"10.83.71.96",
    b"wm.kz.org",
    b"02:4f:6b:3d:1e:5a",
    b"/kz/wm",
    b"http://wm.kz.org/kz",
    b"2031-05-17",
    b"21:34",
    b"5f3a1c",
    b"0123456789abcdef",
    b"kwmqz.jxv",
    b"vbhjwkqzxmfgpdtrlcnsyvbhjwkqzxmfgpdtrlcn",
    b"vbhj wkqz",
    b"kz@wm.org",
    b"1",
)
"""Forms that checks let pass."""
