"""The vectors of BLAKE3, around the lengths at which its tree gets another form. `make.py` calls `vectors`."""

from blake3 import blake3

LENGTHS = [0, 1, 2, 63, 64, 65, 127, 128, 129, 1023, 1024, 1025, 2048, 2049, 3072, 3073, 4096, 4097, 5120, 5121, 6144]
LENGTHS += [6145, 7168, 7169, 8192, 8193, 16384, 31744, 102400, 102401, 1 << 20]


def vectors(_):
    for length in LENGTHS:
        yield {"bytes": length, "blake3": blake3(bytes(i % 251 for i in range(length))).hexdigest()}
