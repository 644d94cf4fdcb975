"""Consent covers what it names until it ends, and recordings say it in their own file."""

from __future__ import annotations

import datetime

import pytest

from bodydouble.capture.settings import RecordingSettings
from bodydouble.config import load_settings, save_settings
from bodydouble.datasets.consent import Consent
from bodydouble.errors import UsageError

TODAY = datetime.date(2026, 6, 1)


def test_consent_to_training_covers_training_until_its_last_day():
    assert Consent("2026-03", ("training",), "2026-06-01").problem(TODAY) == ""
    assert Consent("2026-03", ("training",)).problem(TODAY) == ""
    assert Consent("2026-03", ("training",), "2026-05-31").problem(TODAY) == "the consent expired on 2026-05-31"


def test_consent_to_something_else_or_in_words_alone_does_not():
    assert "does not cover training (only publication)" in Consent("2026-03", ("publication",)).problem(TODAY)
    assert "does not cover training" in Consent(statement="she said yes").problem(TODAY)
    assert Consent().problem(TODAY) == "no consent is recorded"


def test_an_unknown_scope_or_date_is_refused():
    with pytest.raises(ValueError, match="valid: training, sharing, publication"):
        Consent("2026-03", ("everything",))
    with pytest.raises(ValueError, match="isoformat"):
        Consent("2026-03", ("training",), "next spring")


def test_a_recording_says_consent_licence_privacy_and_segments(tmp_path):
    (tmp_path / "recording.toml").write_text(
        'name = "a"\noperator = "p07"\nlicence = "CC-BY-4.0"\nprivacy = "faces_blurred"\n[consent]\nversion = "2026-03"\nscope = ["training"]\n'
        'expires = 2027-01-31\n[cameras.front]\nvideo = "front.mkv"\n[[segments]]\nstart_s = 0.0\nstop_s = 1.5\ntext = "reach"\n'
    )
    settings = load_settings(tmp_path / "recording.toml", RecordingSettings)
    assert settings.consent.expires == datetime.date(2027, 1, 31)
    assert settings.segments[0].text == "reach"
    save_settings(tmp_path / "again.toml", settings)
    assert load_settings(tmp_path / "again.toml", RecordingSettings) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('consent = {scope = ["all"]}', "training"),
        ('privacy = "secret"', "faces_blurred"),
        ('segments = [{start_s = 2.0, stop_s = 1.0, text = "x"}]', "must end after it starts"),
        ('consent = {until = "x"}', "until"),
    ],
)
def test_what_a_recording_cannot_say_is_named(tmp_path, text, message):
    (tmp_path / "recording.toml").write_text(f'name = "a"\n{text}\n[cameras.front]\nvideo = "front.mkv"\n')
    with pytest.raises(UsageError, match=message):
        load_settings(tmp_path / "recording.toml", RecordingSettings)
