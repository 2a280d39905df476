"""SGF files: round trips, encodings, repairs, and files that are anything but games."""

import io
import random
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sgfmill.sgf import Sgf_game
from tests.worlds.go.gnugo import gnugo

from convscope.errors import ConvscopeError, DataError
from convscope.worlds.go import Board, Rules, SgfGame, read_games, read_sgf, write_sgf
from convscope.worlds.go.records.encodings import decode

GAME = "(;GM[1]FF[4]SZ[9]KM[6.5]PB[{black}]PW[{white}]RE[W+R];B[ee];W[cc](;B[gg];W[tt])(;B[gc]))"
NAMES = [
    ("gb18030", "古力", "李世石"),
    ("gb18030", "柯洁九段", "中国围棋甲级联赛"),
    ("big5", "張栩", "周俊勳"),
    ("shift_jis", "井山裕太", "いやまゆうた"),
    ("shift_jis", "高尾紳路", "カタカナ"),
    ("euc_kr", "이세돌", "박정환 구단"),
    ("utf-8", "古力", "Éric"),
    ("utf-8", "нина", "жанна"),
    ("iso8859-1", "Müller", "Jérôme Änderlich"),
    ("iso8859-1", "Äpfel", "Ö"),
]


@pytest.mark.parametrize(("encoding", "black", "white"), NAMES)
@pytest.mark.parametrize("said", [False, True])
def test_names_survive_in_every_encoding(encoding, black, white, said):
    text = GAME.format(black=black, white=white)
    text = text.replace("GM[1]", f"GM[1]CA[{encoding}]") if said else text
    game = read_sgf(text.encode(encoding))
    assert (game.black_name, game.white_name) == (black, white)
    assert [move.point for move in game.moves] == [(4, 4), (2, 2), (6, 6), None]
    assert (game.komi, game.winner, game.size, game.warnings) == (6.5, 2, 9, ())


def test_a_wrong_statement_does_not_hide_what_is_there():
    text = GAME.format(black="古力", white="李世石").replace("GM[1]", "CA[UTF-8]")
    assert read_sgf(text.encode("gb18030")).black_name == "古力"
    assert read_sgf(text.replace("UTF-8", "no such thing").encode()).black_name == "古力"
    assert read_sgf(b"\xef\xbb\xbf" + text.encode()).white_name == "李世石"
    assert read_sgf(text.replace("UTF-8", "utf-16").encode("utf-16")).white_name == "李世石"


def test_what_a_file_says_comes_before_what_fits():
    """Read as Chinese, every character would be a frequent one."""
    text = GAME.format(black="нина", white="жанна").replace("GM[1]", "CA[KOI8-R]")
    assert read_sgf(text.encode("koi8-r")).black_name == "нина"
    assert decode(text.replace("CA[KOI8-R]", "").encode("koi8-r"))[1] == "gb18030"


@given(st.binary(max_size=200))
def test_anything_is_decoded(content):
    text, encoding = decode(content)
    assert isinstance(text, str) and encoding


def random_game(seed, size=9):
    draw, board = random.Random(seed), Board(size, Rules(5.5))
    for _ in range(40):
        points = np.argwhere(board.legal_moves())
        board.play(tuple(points[draw.randrange(len(points))].tolist()) if draw.random() > 0.1 else None)
    return board


def test_games_survive_a_round_trip():
    for seed in range(5):
        board = random_game(seed)
        content = write_sgf(board)
        assert b"CA[UTF-8]" in content
        again = read_sgf(content)
        assert again.moves == board.history
        assert np.array_equal(again.board().stones, board.stones)
        assert np.array_equal(again.board(17).stones, read_sgf(write_sgf(again.board(17))).board().stones)


def test_set_up_stones_and_names_survive_a_round_trip():
    game = SgfGame(
        13, black=((2, 2), (10, 3)), white=((5, 5),), komi=0.5, to_play=2, black_name="古力 [九段\\]"
    )
    again = read_sgf(write_sgf(game))
    assert again == game
    assert again.board().to_play == 2


def test_handicaps_let_white_begin():
    game = read_sgf(b"(;SZ[9]HA[2]AB[cg][gc])")
    assert game.to_play == 2
    assert read_sgf(b"(;SZ[9]HA[2]AB[cg][gc];W[ee])").board().to_play == 1
    assert read_sgf(b"(;SZ[9]AB[aa:cc])").black == tuple((y, x) for y in range(3) for x in range(3))


def test_sgfmill_reads_what_is_written():
    board = random_game(9, 19)
    other = Sgf_game.from_bytes(write_sgf(board))
    moves = [node.get_move() for node in other.main_sequence_iter()][1:]
    expected = [
        ("bw"[m.colour - 1], None if m.point is None else (18 - m.point[0], m.point[1]))
        for m in board.history
    ]
    assert moves == expected


def test_gnugo_reads_what_is_written(tmp_path):
    board = random_game(3)
    path = tmp_path / "game.sgf"
    path.write_bytes(write_sgf(board))
    with gnugo() as other:
        _, black, white = other.ask(f"loadsgf {path}", "list_stones b", "list_stones w")
    assert len(black.split()) == (board.stones == 1).sum()
    assert len(white.split()) == (board.stones == 2).sum()


def test_a_missing_semicolon_is_repaired_and_said():
    game = read_sgf(b"(GM[1]SZ[9]PB[one];B[ee];W[cc])")
    assert len(game.moves) == 2 and game.black_name == "one"
    assert "semicolon" in game.warnings[0]


@pytest.mark.parametrize(
    ("content", "moves", "warning"),
    [
        (b"(;SZ[9];B[ee];W[zz];B[cc])", 1, "cannot be read"),
        (b"(;SZ[9];B[ee];W[cc]AB[aa];B[dd])", 1, "set up after move 1"),
        (b"(;SZ[9]KM[lots];B[ee])", 1, "komi"),
        (b"(;SZ[9]KM[nan];B[ee])", 1, "komi"),
        (b"(;SZ[9]KM[1e999];B[ee])", 1, "komi"),
    ],
)
def test_what_cannot_be_read_is_left_out_and_said(content, moves, warning):
    game = read_sgf(content)
    assert len(game.moves) == moves
    assert any(warning in one for one in game.warnings)
    assert np.isfinite(game.komi)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"(",
        b"(;",
        b"()",
        b"hello",
        b"(;SZ[0])",
        b"(;SZ[26])",
        b"(;SZ[9:13])",
        b"(;SZ[-9])",
        b"(;SZ[1e9])",
        b"(;SZ[" + b"9" * 5000 + b"])",
        b"(;B[ee]",
        b"(;B[ee",
        b"\x00" * 100,
        b"\xff\xfe",
        b"PNG",
    ],
)
def test_what_is_no_game_is_refused(content, tmp_path):
    path = tmp_path / "bad.sgf"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"SGF|board of 2 to 25"):
        read_sgf(path)


def test_deep_trees_and_long_games_are_read_or_refused():
    deep = b"(;SZ[9]" + b"(;B[ee]" * 50_000 + b")" * 50_001
    assert len(read_sgf(deep).moves) == 50_000
    with pytest.raises(DataError, match="a legal move 2"):
        read_sgf(deep).board()
    with pytest.raises(DataError, match="device"):
        read_sgf("/dev/zero")


def test_a_file_that_is_too_large_is_refused(tmp_path):
    path = tmp_path / "large.sgf"
    path.write_bytes(b"(;SZ[9]C[" + b"x" * (1 << 22) + b"])")
    with pytest.raises(DataError, match="SGF"):
        read_sgf(path)
    with pytest.raises(DataError):
        read_sgf(tmp_path / "none.sgf")
    with pytest.raises(DataError):
        read_sgf(tmp_path)


SEEDS = [
    GAME.format(black="古", white="b").encode(),
    b"(;AB[aa:cc][ee]AW[dd]PL[W]KM[0]SZ[19];W[];B[pp]C[\\]])",
]
SCRAPS = [
    b"(",
    b")",
    b";",
    b"[",
    b"]",
    b"\\",
    b"AB",
    b"B[",
    b"SZ[",
    b"25]",
    b"tt",
    b":",
    b"\x80",
    b"\xe5",
    b"\n",
    b"KM",
]


@settings(max_examples=150)
@given(st.integers(0, 2**32), st.integers(1, 8))
def test_damaged_files_never_crash(seed, changes):
    draw = random.Random(seed)
    content = bytearray(draw.choice(SEEDS))
    for _ in range(changes):
        at = draw.randrange(len(content) + 1)
        content[at : at + draw.randrange(4)] = draw.choice([*SCRAPS, bytes([draw.randrange(256)]), b""])
    try:
        game = read_sgf(bytes(content))
        game.board()
        write_sgf(game)
    except ConvscopeError:
        pass


def test_illegal_moves_are_named():
    with pytest.raises(DataError, match="a legal move 3"):
        read_sgf(b"(;SZ[9];B[ee];W[cc];B[ee])").board()
    board = read_sgf(b"(;SZ[9];B[ee];W[cc];B[ee])").board(2)
    assert len(board.history) == 2


def test_folders_and_zips_of_games(tmp_path):
    contents = {f"{k}.sgf": write_sgf(random_game(k)) for k in range(3)}
    contents |= {"other.SGF": write_sgf(random_game(8, 13)), "bad.sgf": b"nothing", "note.txt": b"(;"}
    folder = tmp_path / "games"
    folder.mkdir()
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name, content in contents.items():
            file.writestr(f"deep/{name}", content)
    (tmp_path / "games.zip").write_bytes(archive.getvalue())
    for source in (folder, tmp_path / "games.zip"):
        games = read_games(source)
        assert (len(games), games.size) == (3, 9)
        assert {problem.path.rpartition("/")[2] for problem in games.problems} == {"other.SGF", "bad.sgf"}
        assert games.board(0, 500).history == read_sgf(contents["0.sgf"]).moves


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"x" * 100])
def test_damaged_zips_are_refused(content, tmp_path):
    path = tmp_path / "games.zip"
    path.write_bytes(content)
    with pytest.raises(DataError):
        read_games(path)


def test_tables_of_games(tmp_path):
    path = tmp_path / "games.tsv"
    path.write_text("a\t7.5\tB+R\teecc\nb\t0\t?\tccttee\t1\nshort\t1\nc\tx\tW+1\tee\nd\t0\tW+1\te\n")
    games = read_games(path)
    assert (len(games), games.size, games.winners.tolist(), games.openings.tolist()) == (2, 9, [1, 0], [0, 1])
    assert [problem.path for problem in games.problems] == ["games.tsv:3", "games.tsv:4", "games.tsv:5"]
    for content in (b"", b"\xff\xfe\x00", b"\n" * 9):
        path.write_bytes(content)
        with pytest.raises(DataError):
            read_games(path)
    (tmp_path / "games.tsv.xz").write_bytes(b"no xz")
    with pytest.raises(DataError, match="table"):
        read_games(tmp_path / "games.tsv.xz")


def test_games_that_ship():
    games = read_games("go-9x9")
    assert games.size == 9 and len(games) > 300 and not games.problems
    assert set(games.winners.tolist()) == {1, 2}


def test_professional_games(shared_data):
    games = read_games(shared_data / "go" / "alphago_master_sgf.zip")
    assert (len(games), games.size, games.problems) == (216, 19, ())
