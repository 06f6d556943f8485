from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from search.errors import DataError
from search.tasks import ImageRequest, read_images

from .conftest import SHAPE, encoded, write_parquet


def levels(pixels: torch.Tensor) -> list[int]:
    return [int(level) for level in np.unique(pixels.numpy())]


def noise(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(buffer, kind)
    return buffer.getvalue()


def fails(path: Path, request: ImageRequest | None = None) -> str:
    with pytest.raises(DataError) as caught:
        read_images(path, request or ImageRequest(SHAPE))
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_reads_parquet_with_structs(parquet: Callable[..., Path]) -> None:
    images = read_images(parquet("train"), ImageRequest(SHAPE))
    assert images.pixels.shape == (10, *SHAPE)
    assert images.pixels.dtype == torch.uint8
    assert images.pixels[:, 0, 0, 0].tolist() == [20 * index for index in range(10)]
    assert images.labels.tolist() == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]
    assert images.class_names is None


def test_reads_plain_binary_columns_and_grey_images(tmp_path: Path) -> None:
    path = tmp_path / "plain.parquet"
    table = {"picture": pa.array([encoded(7, mode="L")]), "digit": pa.array([4], pa.int8()), "text": pa.array(["x"])}
    pq.write_table(pa.table(table), path)
    for channels in (1, 3):
        images = read_images(path, ImageRequest((channels, 8, 8)))
        assert levels(images.pixels) == [7]
        assert images.labels.tolist() == [4]


def test_finds_columns_by_type_then_by_name_and_asks_when_in_doubt(tmp_path: Path) -> None:
    more = {"fine": pa.array([5]), "mask": pa.array([encoded(9)])}
    path = write_parquet(tmp_path / "x.parquet", [encoded(1)], pa.array([2]), **more)
    assert read_images(path, ImageRequest(SHAPE)).labels.tolist() == [2]
    given = read_images(path, ImageRequest(SHAPE, image_column="mask", label_column="fine"))
    assert (given.labels.tolist(), levels(given.pixels)) == ([5], [9])
    pq.write_table(pq.read_table(path).rename_columns(["image", "coarse", "fine", "mask"]), path)
    message = fails(path)
    assert "several columns that may be class labels (whole numbers, or texts): coarse, fine" in message
    assert 'label_column = "..."' in message
    message = fails(path, ImageRequest(SHAPE, label_column="fin"))
    assert "has no column 'fin'. Did you mean 'fine'? It has: image (struct), coarse (int64)" in message
    message = fails(path, ImageRequest(SHAPE, image_column="fine"))
    assert "'fine' of" in message
    assert "encoded images" in message
    pq.write_table(pq.read_table(path).select(["image"]), path)
    assert "has no column of class labels" in fails(path)


def test_an_image_that_does_not_decode_is_named_by_its_row(tmp_path: Path) -> None:
    good = encoded(1)
    for bad in (b"nonsense", noise("PNG")[:100], noise("JPEG")[:-40], b""):
        path = write_parquet(tmp_path / "x.parquet", [good, good, bad], pa.array([0, 1, 2]))
        message = fails(path)
        assert "x.parquet, row 2: the image does not decode" in message
        assert "replace or drop it" in message
    path = write_parquet(tmp_path / "x.parquet", [good, None], pa.array([0, 1]))
    assert "row 1: the image is empty" in fails(path)


def test_a_bad_row_keeps_its_number_in_a_subset(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [b""] * 9, pa.array(range(9)))
    picked = ImageRequest(SHAPE, limit=1).pick(9)
    assert f"row {picked[0]}:" in fails(path, ImageRequest(SHAPE, limit=1))


def test_sixteen_bit_images_are_refused_not_clipped(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "x.parquet", [encoded(1000, mode="I;16")], pa.array([0]))
    assert "8 bits a channel" in fails(path)


@pytest.mark.parametrize("side", [8, 64])
def test_another_size_is_an_error_unless_resized(tmp_path: Path, side: int) -> None:
    path = write_parquet(tmp_path / "x.parquet", [encoded(1, (side, side)), encoded(5, (9, 6))], pa.array([0, 1]))
    message = fails(path, ImageRequest((3, side, side)))
    assert f"row 1: images have the size of [model] input, {side}x{side}, but this one has 9x6" in message
    assert "resize = true" in message
    images = read_images(path, ImageRequest((3, side, side), resize=True))
    assert levels(images.pixels[1]) == [5]


def test_bad_labels_are_named_by_their_row(tmp_path: Path) -> None:
    images = [encoded(1)] * 3
    assert "row 1: 'label' is empty (1 such rows)" in fails(
        write_parquet(tmp_path / "x.parquet", images, pa.array([0, None, 1]))
    )
    assert "row 2: labels count from 0, but 'label' is -1" in fails(
        write_parquet(tmp_path / "x.parquet", images, pa.array([0, 1, -1]))
    )
    assert "has no column of class labels" in fails(
        write_parquet(tmp_path / "x.parquet", images, pa.array([0.5, 1.5, 2.5]))
    )


def test_files_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_text("text")
    assert "does not read as a Parquet file" in fails(tmp_path / "x.parquet")
    assert "do not exist" in fails(tmp_path / "y.parquet")
    assert "holds no rows" in fails(write_parquet(tmp_path / "z.parquet", [], pa.array([], pa.int64())))


def test_reads_a_folder_of_class_folders(tmp_path: Path) -> None:
    for name, colors in {"b": [1, 2], "a": [3], ".hidden": [9]}.items():
        (tmp_path / name).mkdir()
        for color in colors:
            (tmp_path / name / f"{color}.PNG").write_bytes(encoded(color))
    (tmp_path / "a/notes.txt").write_text("not an image")
    images = read_images(tmp_path, ImageRequest(SHAPE))
    assert images.class_names == ("a", "b")
    assert images.labels.tolist() == [0, 1, 1]
    assert images.pixels[:, 0, 0, 0].tolist() == [3, 1, 2]
    # Held-out data are labelled by the training data's names, even where they lack some.
    images = read_images(tmp_path, ImageRequest(SHAPE, class_names=("0", "a", "b")))
    assert images.labels.tolist() == [1, 2, 2]
    message = fails(tmp_path, ImageRequest(SHAPE, class_names=("a", "c")))
    assert "training data (a, c)" in message
    assert "also has b" in message
    (tmp_path / "b/2.PNG").write_bytes(b"damaged")
    assert "b/2.PNG: the image does not decode" in fails(tmp_path)


def test_folders_that_hold_nothing(tmp_path: Path) -> None:
    assert "holds no folder" in fails(tmp_path)
    (tmp_path / "a").mkdir()
    assert "at least one image" in fails(tmp_path)


def test_a_limit_draws_the_same_rows_from_all_of_the_file(parquet: Callable[..., Path]) -> None:
    path = parquet("train")
    first, again = (read_images(path, ImageRequest(SHAPE, limit=4)) for _ in range(2))
    assert first.rows == again.rows
    assert len(first.labels) == 4
    assert first.rows != ["row 0", "row 1", "row 2", "row 3"]
    assert len(read_images(path, ImageRequest(SHAPE, limit=99)).labels) == 10


def test_other_inputs_than_images_are_refused() -> None:
    for shape in ((2, 8, 8), (3, 8), (7,)):
        with pytest.raises(ValueError, match=r"data\.py:make_loader"):
            ImageRequest(shape)


def test_picking_is_in_order() -> None:
    picked = ImageRequest(SHAPE, limit=20).pick(100)
    assert np.all(np.diff(picked) > 0)


def write_columns(path: Path, count: int = 8, **columns: object) -> Path:
    pq.write_table(pa.table({"image": [encoded(index) for index in range(count)], **columns}), path)
    return path


SPECIES = ["cat", "dog", "ant", "dog", "cat", "ant", "dog", "cat"]


def test_a_label_is_never_guessed_among_numbers_where_texts_look_like_classes(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "x.parquet", fold=[0, 1] * 4, species=SPECIES)
    message = fails(path)
    assert "may be class labels (whole numbers, or texts): fold, species" in message
    assert 'label_column = "..."' in message
    for given, labels in (("fold", [0, 1] * 4), ("species", [1, 2, 0, 2, 1, 0, 2, 1])):
        assert read_images(path, ImageRequest(SHAPE, label_column=given)).labels.tolist() == labels


def test_texts_that_all_differ_are_no_classes(tmp_path: Path) -> None:
    files = [f"{index}.png" for index in range(8)]
    images = read_images(write_columns(tmp_path / "x.parquet", digit=[3] * 8, file=files), ImageRequest(SHAPE))
    assert (images.labels.tolist(), images.label_column) == ([3] * 8, "digit")
    assert "has no column of class labels" in fails(write_columns(tmp_path / "y.parquet", file=files))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())])
def test_text_labels_are_classes_in_sorted_order(tmp_path: Path, kind: pa.DataType) -> None:
    path = write_columns(tmp_path / "x.parquet", species=pa.array(SPECIES).cast(kind))
    images = read_images(path, ImageRequest(SHAPE))
    assert images.class_names == ("ant", "cat", "dog")
    assert images.labels.tolist() == [1, 2, 0, 2, 1, 0, 2, 1]
    few = read_images(path, ImageRequest(SHAPE, limit=1))
    assert few.class_names == images.class_names, "which number a class has does not depend on the limit"


def test_text_labels_that_the_training_data_lack_are_named_by_their_row(tmp_path: Path) -> None:
    path = write_columns(tmp_path / "x.parquet", 2, label=["cat", "eel"])
    message = fails(path, ImageRequest(SHAPE, class_names=("cat", "dog")))
    assert "row 1: classes are those of the training data (cat, dog), but 'label' is 'eel' (1 such rows)" in message
    path = write_columns(tmp_path / "x.parquet", 2, label=["cat", None])
    assert "row 1: 'label' is empty" in fails(path)


def test_whole_numbers_in_a_dictionary_are_indices(tmp_path: Path) -> None:
    column = pa.array([4, 0, 4, 0, 1, 1, 2, 2]).dictionary_encode()
    images = read_images(write_columns(tmp_path / "x.parquet", digit=column), ImageRequest(SHAPE))
    assert images.labels.tolist() == [4, 0, 4, 0, 1, 1, 2, 2]
    assert images.class_names is None
