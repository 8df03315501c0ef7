"""The data sets that can be fetched: address, size and checksum of every file, licence and citation.

Sizes and SHA-256 of MNIST, Fashion-MNIST, KMNIST, CIFAR-10 and Tiny Shakespeare are from TensorFlow Datasets
(`url_checksums/*.txt` in its repository). The makers of ETT publish none: its SHA-256 are those on which
several projects that use it agree, its sizes stand with the MD5 that Darts has for the same files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from descent.kit.data.sets import FILES, TITLES


@dataclass(frozen=True)
class File:
    """A file as it is fetched. `checksum`: as pooch takes it, with the algorithm before a colon.

    `holds`: the size in bytes of what is unpacked, by its path in the archive; empty where nothing is.
    """

    name: str
    url: str
    size: int
    checksum: str
    holds: Mapping[str, int] = field(default_factory=dict)

    @property
    def kept(self) -> dict[str, int]:
        """The files that are there afterwards, by name, and their sizes."""
        return {path.rpartition("/")[2]: size for path, size in self.holds.items()} or {self.name: self.size}


@dataclass(frozen=True)
class DataSet:
    """Files that belong together. `home`: the page about it; `licence` is empty where none is stated."""

    name: str
    files: tuple[File, ...]
    licence: str
    citation: str
    home: str

    @property
    def title(self) -> str:
        """Its usual name."""
        return TITLES[self.name]

    @property
    def size(self) -> int:
        """Bytes to fetch."""
        return sum(file.size for file in self.files)

    @property
    def kept(self) -> dict[str, int]:
        """The files that are there afterwards, by name, and their sizes."""
        return {name: size for file in self.files for name, size in file.kept.items()}


_IDX_SIZES = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)  # in the order of `FILES`
_CIFAR_BATCH = 10_000 * (1 + 3 * 32 * 32)


def _idx(base: str, *files: tuple[int, str]) -> tuple[File, ...]:
    """The four zipped files of a set like MNIST, given their sizes and SHA-256."""
    return tuple(
        File(f"{name}.gz", f"{base}/{name}.gz", size, f"sha256:{digest}", {name: unpacked})
        for name, unpacked, (size, digest) in zip(FILES["mnist"], _IDX_SIZES, files, strict=True)
    )


def _ett(name: str, size: int, digest: str) -> File:
    commit = "1d16c8f4f943005d613b5bc962e9eeb06058cf07"
    base = f"https://raw.githubusercontent.com/zhouhaoyi/ETDataset/{commit}/ETT-small"
    return File(name, f"{base}/{name}", size, f"sha256:{digest}")


_ALL = (
    DataSet(
        "mnist",
        _idx(
            "https://storage.googleapis.com/cvdf-datasets/mnist",
            (9_912_422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
            (28_881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
            (1_648_877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
            (4_542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
        ),
        licence="CC BY-SA 3.0",
        citation="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. Gradient-based learning applied to document "
        "recognition. Proceedings of the IEEE 86 (1998).",
        home="http://yann.lecun.com/exdb/mnist/",
    ),
    DataSet(
        "fashion-mnist",
        _idx(
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            (26_421_880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
            (29_515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
            (4_422_102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
            (5_148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
        ),
        licence="MIT",
        citation="H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a novel image dataset for benchmarking "
        "machine learning algorithms. arXiv:1708.07747 (2017).",
        home="https://github.com/zalandoresearch/fashion-mnist",
    ),
    DataSet(
        "kmnist",
        _idx(
            "http://codh.rois.ac.jp/kmnist/dataset/kmnist",
            (18_165_135, "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4"),
            (29_497, "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17"),
            (3_041_136, "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5"),
            (5_120, "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c"),
        ),
        licence="CC BY-SA 4.0",
        citation="T. Clanuwat, M. Bober-Irizar, A. Kitamoto, A. Lamb, K. Yamamoto, D. Ha. Deep learning for "
        "classical Japanese literature. arXiv:1812.01718 (2018). KMNIST Dataset, created by CODH, adapted "
        "from the Kuzushiji Dataset by NIJL and others.",
        home="http://codh.rois.ac.jp/kmnist/",
    ),
    DataSet(
        "cifar-10",
        (
            File(
                "cifar-10-binary.tar.gz",  # the version for Python consists of pickles
                "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
                170_052_171,
                "sha256:c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                {f"cifar-10-batches-bin/{name}": _CIFAR_BATCH for name in FILES["cifar-10"]},
            ),
        ),
        licence="",
        citation="A. Krizhevsky. Learning multiple layers of features from tiny images. Technical report, "
        "University of Toronto (2009).",
        home="https://www.cs.toronto.edu/~kriz/cifar.html",
    ),
    DataSet(
        "tiny-shakespeare",
        (
            File(
                "input.txt",
                "https://raw.githubusercontent.com/karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e"
                "/data/tinyshakespeare/input.txt",
                1_115_394,
                "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
            ),
        ),
        licence="public domain",
        citation="A. Karpathy. char-rnn (2015). Lines from plays by William Shakespeare.",
        home="https://github.com/karpathy/char-rnn",
    ),
    DataSet(
        "ett",
        (
            _ett("ETTh1.csv", 2_589_657, "f18de3ad269cef59bb07b5438d79bb3042d3be49bdeecf01c1cd6d29695ee066"),
            _ett("ETTh2.csv", 2_417_960, "a3dc2c597b9218c7ce1cd55eb77b283fd459a1d09d753063f944967dd6b9218b"),
            _ett("ETTm1.csv", 10_360_719, "6ce1759b1a18e3328421d5d75fadcb316c449fcd7cec32820c8dafda71986c9e"),
            _ett("ETTm2.csv", 9_677_236, "db973ca252c6410a30d0469b13d696cf919648d0f3fd588c60f03fdbdbadd1fd"),
        ),
        licence="CC BY-ND 4.0",
        citation="H. Zhou, S. Zhang, J. Peng, S. Zhang, J. Li, H. Xiong, W. Zhang. Informer: beyond "
        "efficient transformer for long sequence time-series forecasting. AAAI (2021).",
        home="https://github.com/zhouhaoyi/ETDataset",
    ),
)
CATALOGUE: Mapping[str, DataSet] = {one.name: one for one in _ALL}
