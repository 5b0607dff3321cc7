"""The generator of the compiled-in time zones: what it writes, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import embed_zones


def make_zones(root: Path) -> Path:
    (root / "zoneinfo" / "Europe").mkdir(parents=True)
    (root / "version").write_text("2030a\n")
    (root / "zoneinfo" / "UTC").write_bytes(b'TZif2"\x00')
    (root / "zoneinfo" / "Europe" / "B").write_bytes(b"TZif2\xff")
    (root / "zoneinfo" / "Europe" / "A").write_bytes(b"TZif2\xff")
    (root / "zoneinfo" / "zone.tab").write_text("for humans")
    return root


def test_zones_of_equal_content_share_their_bytes(tmp_path: Path):
    out = tmp_path / "out" / "zone_data.cc"
    assert embed_zones.main(["--zones", str(make_zones(tmp_path)), "--out", str(out)]) == 0
    text = out.read_text()
    assert 'kVersion[] = "2030a"' in text
    places = [line.strip() for line in text.splitlines() if line.startswith("    {")]
    assert places == ['{"Europe/A", 0, 6},', '{"Europe/B", 0, 6},', '{"UTC", 6, 7},']
    assert "kEntryCount = 3;" in text
    assert '"\\124\\132\\151\\146\\062\\377\\124\\132\\151\\146\\062\\042\\000"' in text


def test_a_directory_without_zones_is_refused(tmp_path: Path, capsys):
    (tmp_path / "zoneinfo").mkdir()
    (tmp_path / "version").write_text("2030a\n")
    out = tmp_path / "zone_data.cc"
    assert embed_zones.main(["--zones", str(tmp_path), "--out", str(out)]) == 1
    assert "no compiled time zones" in capsys.readouterr().err
    assert not out.exists()
