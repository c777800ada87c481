"""From choices to a window that plays them, and back to the settings it was left with."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from app.desktop.game import GameChoices, open_game
from app.desktop.playing import Playing
from app.desktop.window import Window
from app.settings import Settings


def play_in_window(choices: GameChoices, settings: Settings) -> Settings:
    """Open a window, load the world in it and play until the player quits; returns the settings as left.

    Raises ReverieError when the world cannot be opened, and whatever ended its runner.
    """
    with Window(settings) as window:
        game = window.open(lambda: open_game(choices), Path(choices.world).name)
        if game is None:
            return window.chosen()
        try:
            playing = Playing(window, game)
            try:
                playing.run()
            finally:
                playing.close()
        finally:
            game.runner.close()
        return replace(window.chosen(), panel=playing.panel)
