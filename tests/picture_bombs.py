"""Files of a few KB that keep a decoder busy for ever, or crash it: for the tests of images.py and scripts/fuzz_images.py."""

from __future__ import annotations

import struct

from picture_samples import PICTURES


def box(name: bytes, body: bytes) -> bytes:
    """A box of ISO 14496-12."""
    return struct.pack(">I", 8 + len(body)) + name + body


def nested_heif(levels: int, kind: bytes = b"grid") -> bytes:
    """quadrants.heic below levels of derived pictures ("grid" or "iovl"), each made of both of the level below.

    A decoder that keeps nothing decodes 2 ** levels pictures of 64 x 48 pixels.
    """
    plain = (PICTURES / "quadrants.heic").read_bytes()
    properties, owned, coded = plain[172:386], plain[404:410], plain[418:708]
    items = range(1, 2 * levels + 3)
    made = {n: (n - 1) // 2 * 2 - 1 for n in items[2:]}  # the first of the two that each is made of
    how = b"\0\0\0\1" + struct.pack(">HH", 64, 48)  # one row, two columns
    if kind == b"iovl":
        how = b"\0\0" + struct.pack(">4H2H4h", *[65535] * 4, 64, 48, 0, 0, 0, 0)
    names = [box(b"infe", struct.pack(">IHH", 2 << 24, n, 0) + (kind if n in made else b"hvc1") + b"\0") for n in items]
    parts = [box(b"dimg", struct.pack(">4H", n, 2, low, low + 1)) for n, low in made.items()]
    sides = box(b"ispe", struct.pack(">III", 0, 64, 48))
    has = [struct.pack(">HB", n, 1) + b"\6" if n in made else struct.pack(">H", n) + owned for n in items]

    def meta(start: int) -> bytes:
        places = [(start + len(coded), len(how)) if n in made else (start, len(coded)) for n in items]
        table = [struct.pack(">HHHII", n, 0, 1, *place) for n, place in zip(items, places, strict=True)]
        inside = box(b"pitm", struct.pack(">IH", 0, items[-1]))
        inside += box(b"iloc", struct.pack(">IBBH", 0, 0x44, 0, len(items)) + b"".join(table))
        inside += box(b"iinf", struct.pack(">IH", 0, len(items)) + b"".join(names))
        inside += box(b"iref", bytes(4) + b"".join(parts))
        associations = box(b"ipma", struct.pack(">II", 0, len(items)) + b"".join(has))
        inside += box(b"iprp", box(b"ipco", properties + sides) + associations)
        return box(b"meta", bytes(4) + plain[40:73] + inside)

    start = 28 + len(meta(0)) + 8
    return plain[:28] + meta(start) + box(b"mdat", coded + how)


def heif_with_item(entry: bytes) -> bytes:
    """turned.heic with another `infe` box for the item of its EXIF; sound where the box is."""
    data = bytearray((PICTURES / "turned.heic").read_bytes())
    more = len(entry) - 21
    for at in (28, 125):  # the sizes of `meta` and `iinf`
        struct.pack_into(">I", data, at, int.from_bytes(data[at : at + 4], "big") + more)
    for at in (93, 111):  # where the two items lie
        struct.pack_into(">I", data, at, int.from_bytes(data[at : at + 4], "big") + more)
    return bytes(data[:160]) + entry + bytes(data[181:])


def heifs_that_crash() -> dict[str, bytes]:
    """A type that is no text, on which pi_heif 1.4.0 crashes, in a box of 64-bit length or behind a long name."""
    head = struct.pack(">IHH", 2 << 24, 2, 0)
    long = head + b"mime" + b"n" * 70_000 + b"\0\xff\xfe\0\0"
    wide = head + b"\xdb\xff\xfe\xff" + b"\0"
    return {
        "64-bit": heif_with_item(struct.pack(">I4sQ", 1, b"infe", 16 + len(wide)) + wide),
        "long name": heif_with_item(box(b"infe", long)),
    }


def nested_pdf(levels: int) -> bytes:
    """A page of form XObjects, each of which draws the next one twice: 2 ** levels squares to pdfium."""
    twice, draw = b"/F Do /F Do", b"0 0 1 1 re f"
    form = b"<</Type/XObject/Subtype/Form/BBox[0 0 9 9]"
    below = [form + b"/Resources<</XObject<</F %d 0 R>>>>" % (6 + n) for n in range(levels)]
    streams = [b"<<", *below, form]
    bodies = [b"/F Do", *[twice] * levels, draw]
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R/Resources<</XObject<</F 5 0 R>>>>>>"
    pairs = zip(streams, bodies, strict=True)
    objects += [page, *(s + b"/Length %d>>stream\n%s\nendstream" % (len(b), b) for s, b in pairs)]
    data, places = b"%PDF-1.4\n", []
    for n, body in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj" % n + body + b"endobj\n"
    table = b"0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % place for place in places)
    trailer = b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, len(data))
    return data + b"xref\n0 %d\n" % (len(objects) + 1) + table + trailer
