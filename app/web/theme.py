"""The look of the page: calm, light and dark, with fonts that come from this server alone."""

from __future__ import annotations

from typing import Any

TITLE = "Reverie"
BLUE = ("#eef6fb", "#d6eaf5", "#acd4ea", "#7dbcdf", "#56a5d3", "#2589c4", "#0072b2", "#00609a", "#004c7a", "#063a5b")
"""Shades of the blue of Okabe and Ito's colours, which all kinds of colour vision tell apart, lightest first."""


def theme() -> Any:
    """Gradio's theme of the page."""
    import gradio as gr

    names = ("c50", "c100", "c200", "c300", "c400", "c500", "c600", "c700", "c800", "c900", "c950")
    blue = gr.themes.Color(**dict(zip(names, (*BLUE, "#04273e"), strict=True)), name="blue")
    return gr.themes.Base(
        primary_hue=blue,
        secondary_hue=blue,
        neutral_hue=gr.themes.colors.slate,
        spacing_size=gr.themes.sizes.spacing_md,
        radius_size=gr.themes.sizes.radius_md,
        font=["Inter", "ui-sans-serif", "system-ui", "sans-serif"],
        font_mono=["ui-monospace", "SFMono-Regular", "Consolas", "monospace"],
    ).set(  # so that all text can be read: a contrast of 4.5 at least
        body_text_color_subdued="*neutral_500",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
    )
