#!/usr/bin/env python3
"""A VLAN interface for kernels that have none: vlan.py DEVICE VLAN NAME makes the TAP interface NAME in this network
namespace, sends its frames on DEVICE with a tag, and gives it the frames that arrive there with that tag."""
import fcntl
import os
import select
import socket
import struct
import sys

device, vlan, name = sys.argv[1], int(sys.argv[2]), sys.argv[3]
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 2, 0x1000
SOL_PACKET, PACKET_AUXDATA, ETH_P_ALL = 263, 8, 3

tap = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
wire.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
wire.bind((device, ETH_P_ALL))
while True:
    ready, _, _ = select.select([tap, wire], [], [])
    if tap in ready:
        b = os.read(tap, 65536)
        wire.send(b[:12] + struct.pack("!HH", 0x8100, vlan) + b[12:])
    if wire in ready:
        b, extra, _, address = wire.recvmsg(65536, 256)
        if address[2] == 4:  # PACKET_OUTGOING
            continue
        for level, kind, data in extra:  # the kernel takes the tag out and tells of it
            if (level, kind) == (SOL_PACKET, PACKET_AUXDATA) and struct.unpack_from("IIIHHH", data)[5] & 0xFFF == vlan:
                try:
                    os.write(tap, b)
                except OSError:  # the interface is down
                    pass
