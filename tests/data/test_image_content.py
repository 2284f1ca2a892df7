"""Images are recognised by content: suffixes, formats that Pillow and pillow-heif decode, and files that only look like images."""

import io
import os

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from diffzero.data.decode import HEAD_BYTES, IMAGE_FORMATS, ImageError, decode_image, find_format
from diffzero.data.selection import load_test_images
from image_folders import NAMES, encoded, folder_dataset, make_folder, write

LOSSLESS = {
    "PNG": {}, "BMP": {}, "TIFF": {}, "PPM": {}, "QOI": {}, "PCX": {}, "SGI": {}, "WEBP": {"lossless": True},
    "JPEG2000": {"irreversible": False},
}  # fmt: skip
LOSSY = {"JPEG": {"quality": 95}, "AVIF": {"quality": 95}, "HEIF": {"quality": 95}, "GIF": {}}
WRITTEN = {**LOSSLESS, **LOSSY}
SUFFIXES = {
    "JPEG": [".jpg", ".jfif", ".jpe", ".JPEG"], "HEIF": [".heic", ".heif", ".HIF"], "AVIF": [".avif"], "JPEG2000": [".jp2", ".j2k"],
    "PNG": [".png", ".apng"], "TIFF": [".tif"], "WEBP": [".webp"],
}  # fmt: skip
CASES = [(kind, suffix) for kind, suffixes in SUFFIXES.items() for suffix in [*suffixes, "", ".dat", ".1"]]


def smooth(width: int = 64, height: int = 48) -> Image.Image:
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 3, y * 5, (x + y) * 2], axis=-1).astype(np.uint8))


def file(kind: str, image: Image.Image | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    (image or smooth()).save(stream, format=kind, **{**WRITTEN.get(kind, {}), **options})
    return stream.getvalue()


@pytest.mark.parametrize("kind", WRITTEN)
def test_a_file_is_recognised_and_decoded_by_its_content(kind):
    data = file(kind)
    assert kind in IMAGE_FORMATS and find_format(data[:HEAD_BYTES]) == kind
    difference = np.abs(np.asarray(decode_image(data, "a")).astype(int) - np.asarray(smooth()))
    assert difference.max() == 0 if kind in LOSSLESS else difference.mean() < 8


@pytest.mark.parametrize(("kind", "suffix"), CASES)
def test_a_class_of_files_with_any_suffix_or_none_is_used(tmp_path, kind, suffix):
    folder = make_folder(tmp_path, NAMES[:2])
    for k in range(2):
        write(folder / "owl" / f"picture{k}{suffix}", file(kind, smooth(40 + k, 30)))
    found = load_test_images(folder_dataset(), 100, 0, tmp_path)
    assert sorted(found.loc[found["label"] == 2, "image"]) == [f"owl/picture{k}{suffix}" for k in range(2)]


@pytest.mark.parametrize("suffix", [".png", ".heic", ".tif", ".JPG"])
def test_a_wrong_suffix_does_not_matter(tmp_path, suffix):
    write(make_folder(tmp_path) / "cat" / f"9{suffix}", encoded(9, "WEBP"))
    assert len(load_test_images(folder_dataset(), 100, 0, tmp_path)) == 7


NO_IMAGES = {
    "README.txt": b"BMW models, P3 cars and GIFs of cats", "README": b"Please read: P6 is a format", "labels.csv": b"a,b\n1,2\n",
    "empty": b"", "annotation.json": b"{}", "weights.bin": bytes(200), "clip.mp4": b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00",
    "archive.zip": b"PK\x03\x04" + bytes(40), "page.html": b"<html>", "Icon\r": b"", "scan.dcm": bytes(128) + b"DICM",
    "array.npy": b"\x93NUMPY\x01\x00", "doc.pdf": b"%PDF-1.7",
}  # fmt: skip


def test_other_files_in_a_class_folder_are_counted_not_used(tmp_path):
    folder = make_folder(tmp_path)
    for name, data in NO_IMAGES.items():
        write(folder / "cat" / name, data)
    found = load_test_images(folder_dataset(), 100, 0, tmp_path)
    assert len(found) == 6
    assert found.attrs["account"]["classes"][0]["skipped"] == {"not an image": len(NO_IMAGES)}


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.png", b"", "an empty file"),
        ("a.jpg", b"<html>404</html>", "begins with b'<html>404</h', like no image that Pillow decodes"),
        ("a.jpg", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer; run `git lfs pull`"),
        ("a", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "a Git LFS pointer"),
        ("a.jpg", b"/annex/objects/SHA256E-s1--0.jpg\n", "a git-annex pointer; run `git annex get`"),
        ("a.svg", b"<svg/>", "like no image that Pillow decodes"),
        ("a.jxl", b"\xff\x0a\x00", "like no image that Pillow decodes"),
        ("a.png", encoded(1)[:60], "cannot|truncated|broken"),
        ("a", encoded(1)[:60], "cannot|truncated|broken"),
        ("a", encoded(1, "JPEG")[:300], "[Tt]runcated"),
    ],
)
def test_a_file_that_claims_to_be_an_image_is_refused_with_file_class_and_reason(tmp_path, name, data, reason):
    write(make_folder(tmp_path) / "owl" / name, data)
    with pytest.raises(ImageError, match=rf"image owl/{name} \(class 'owl'\): .*(?:{reason})"):
        load_test_images(folder_dataset(), 100, 0, tmp_path)


@pytest.mark.parametrize("name", ["1.jpg", "1", "1.heic"])
def test_a_dangling_link_is_an_unreadable_image(tmp_path, name):
    """As git-annex leaves it in a clone without the content."""
    link = make_folder(tmp_path) / "owl" / name
    link.symlink_to("../.git/annex/objects/xX/SHA256E-s1")
    with pytest.raises(
        ImageError, match=rf"image owl/{name} \(class 'owl'\): a link to '.*annex.*', which does not exist"
    ):
        load_test_images(folder_dataset(), 100, 0, tmp_path)


def test_a_class_of_dangling_links_only_is_refused(tmp_path):
    folder = make_folder(tmp_path, NAMES[:2])
    (folder / "owl").mkdir()
    for k in range(3):
        (folder / "owl" / f"{k}.jpg").symlink_to(f"/nowhere/{k}")
    with pytest.raises(ImageError, match=r"found 3 images that cannot be decoded(?s:.*)owl/0.jpg(?s:.*)owl/2.jpg"):
        load_test_images(folder_dataset(), 1, 0, tmp_path)
    with pytest.raises(ValueError, match=r"'owl' \(3 unreadable\)"):
        load_test_images(folder_dataset(unreadable="skip"), 100, 0, tmp_path)


def test_links_to_themselves_pipes_and_dangling_notes_do_not_stop_the_scan(tmp_path):
    folder = make_folder(tmp_path) / "cat"
    (folder / "notes.txt").symlink_to("nowhere.txt")
    os.mkfifo(folder / "pipe.fifo")
    found = load_test_images(folder_dataset(), 100, 0, tmp_path)
    assert len(found) == 6 and found.attrs["account"]["classes"][0]["skipped"] == {"not an image": 2}
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    with pytest.raises(ImageError, match=r"cat/loop.png(?s:.*)cat/pipe.png \(class 'cat'\): a pipe, socket or device"):
        load_test_images(folder_dataset(), 100, 0, tmp_path)


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet=st.characters(codec="ascii"), max_size=80))
def test_no_text_but_that_of_a_portable_map_is_an_image(text):
    assert find_format(text.encode()) in (None, "PPM", "GIF", "QOI", "PCX", "PSD")
    if not text.startswith(("P", "GIF8", "qoif", "\n", "8BPS")):
        assert find_format(text.encode()) is None


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "JPEG2000", "QOI", "PCX", "SGI"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.98])
def test_a_truncated_file_of_any_format_is_refused(kind, part):
    data = file(kind, Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)))
    with pytest.raises(ImageError, match="image a: cannot be decoded"):
        decode_image(data[: int(part * len(data))], "a")


@pytest.mark.parametrize("kind", ["HEIF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_rotated_photograph_is_upright(kind, orientation):
    upright = np.zeros((48, 32, 3), dtype=np.uint8)
    upright[:16, :16], upright[32:, 16:] = (255, 0, 0), (0, 0, 255)
    turned = [upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1]]
    turned += [image.transpose(1, 0, 2) for image in (upright, upright[:, :], upright[::-1, ::-1], upright)]
    turned[5], turned[7] = turned[5][::-1], turned[7][:, ::-1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file(kind, Image.fromarray(np.ascontiguousarray(turned[orientation - 1])), exif=exif.tobytes())
    found = np.asarray(decode_image(data, "a")).astype(int)
    assert found.shape == upright.shape and np.abs(found - upright).mean() < 4


@pytest.mark.parametrize("kind", ["HEIF", "AVIF", "JPEG2000"])
def test_transparency_becomes_white(kind):
    image = Image.new("RGBA", (64, 64), (255, 0, 0, 0))
    assert np.asarray(decode_image(file(kind, image), "a")).min() >= 250


def test_16_bit_greys_of_jpeg_2000_are_scaled():
    greys = np.array([[0, 256, 32768, 65535]], dtype=np.uint16).repeat(32, axis=0).repeat(8, axis=1)
    assert np.unique(np.asarray(decode_image(file("JPEG2000", Image.fromarray(greys)), "a"))).tolist() == [
        0,
        1,
        128,
        255,
    ]


def test_the_preview_in_a_raw_file_is_not_taken_for_the_photograph():
    preview = file("TIFF", tiffinfo={254: 1})
    with pytest.raises(ImageError, match="a raw file of a camera"):
        decode_image(preview, "a.dng")
