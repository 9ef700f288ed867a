"""How devices come in and what they ask of the gateway: DHCP, neighbours, and requests for open ports.

Everything here is a claim of somebody unknown. It is parsed without trust, kept short, and decides nothing.
"""
