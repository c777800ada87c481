"""The look of the page: calm, light and dark, with fonts that come from this server alone."""

from __future__ import annotations

from typing import Any

TITLE = "Reverie"
BLUE = ("#eef6fb", "#d6eaf5", "#acd4ea", "#7dbcdf", "#56a5d3", "#2589c4", "#0072b2", "#00609a", "#004c7a", "#063a5b")
"""Shades of the blue of Okabe and Ito's colours, which all kinds of colour vision tell apart, lightest first."""

CSS = """
@font-face { font-family: "Inter"; font-weight: 400; src: url("/static/inter/Inter-Regular.otf"); font-display: swap; }
@font-face { font-family: "Inter"; font-weight: 600; src: url("/static/inter/Inter-SemiBold.otf"); font-display: swap; }
.gradio-container { width: 100%; max-width: 1480px !important; margin: 0 auto !important; }
.gradio-container > main { padding: 0 16px 24px !important; }
.rv-top { align-items: center; padding-top: 10px; }
.rv-head { display: flex; align-items: baseline; gap: 12px; }
.rv-head h1 { font-size: 22px; font-weight: 600; letter-spacing: -.01em; margin: 0; }
.rv-head p { margin: 0; color: var(--body-text-color-subdued); font-size: 14px; }
.gradio-container .reverie { font-family: var(--font); }
.rv-transport { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(88px, 1fr));
  gap: 8px !important; }
.rv-transport button { min-width: 0 !important; padding: 8px 2px; }
.rv-panel { gap: 12px !important; }
.rv-preview { background: var(--block-background-fill); }
.rv-preview img { width: 100%; image-rendering: pixelated; border-radius: 6px; display: block; }
.rv-preview p { margin: 6px 0 0; color: var(--body-text-color-subdued); font-size: 13px; }
.rv-buttons { display: grid !important; gap: 8px !important; padding: 8px 12px;
  background: var(--block-background-fill); grid-template-columns: repeat(auto-fit, minmax(84px, 1fr)); }
.rv-pairs { grid-template-columns: 1fr 1fr; }
.rv-buttons button { min-width: 0 !important; }
.rv-slots .wrap { display: grid !important; grid-template-columns: repeat(9, 1fr); gap: 4px !important; }
.rv-slots label { position: relative; justify-content: center; padding: 6px 0 !important; min-height: 32px; }
.rv-slots label input { position: absolute; opacity: 0; }
.rv-slots label span { margin: 0 !important; }
.rv-slots label.selected { box-shadow: inset 0 0 0 2px var(--color-accent); font-weight: 600; }
.rv-slots label:focus-within { outline: 2px solid var(--color-accent); outline-offset: 1px; }
.rv-card { max-width: 76ch; }
.rv-quality { border-collapse: collapse; width: 100%; margin-top: 8px; }
.rv-quality :is(th, td) { text-align: left; vertical-align: top; padding: 7px 16px 7px 0; }
.rv-quality td { border-top: 1px solid var(--border-color-primary); }
.rv-quality td:first-child { font-weight: 600; }
.rv-quality td:nth-child(2) { font-variant-numeric: tabular-nums; }
.rv-quality td:nth-child(n+3) { color: var(--body-text-color-subdued); }
.rv-keys { border-collapse: collapse; width: 100%; margin-bottom: 18px; }
.rv-keys th { text-align: left; font-weight: 600; padding: 0 0 4px; }
.rv-keys td { padding: 4px 12px 4px 0; border-bottom: 1px solid var(--border-color-primary); }
.rv-keys td:first-child { white-space: nowrap; width: 8.5em; }
.rv-keys kbd { display: inline-block; min-width: 1.9em; text-align: center; padding: 1px 6px; margin-right: 4px;
  border: solid var(--border-color-primary) !important; border-width: 1px 1px 2px !important; border-radius: 5px;
  font: 12px var(--font); background: var(--background-fill-secondary); }
.rv-columns { column-width: 330px; column-gap: 40px; }
.rv-columns section { break-inside: avoid; }
.rv-actions { color: var(--body-text-color-subdued); font-size: 13px; }
:focus-visible { outline: 2px solid var(--color-accent); outline-offset: 2px; }
@media (max-width: 640px) {
  .gradio-container > main { padding: 0 8px 16px !important; }
  .rv-head p { display: none; }
  .rv-transport { grid-template-columns: repeat(4, 1fr); }
  .rv-transport button, .rv-buttons button { min-height: 44px; }
  .rv-slots label { min-height: 44px; }
  .rv-quality thead { display: none; }
  .rv-quality :is(table, tbody, tr, td) { display: block; padding-right: 0; }
  .rv-quality tr { border-top: 1px solid var(--border-color-primary); padding: 8px 0; }
  .rv-quality td { border: 0; padding: 1px 0; }
  .rv-quality td:nth-child(3)::before { content: "to compare: "; }
  .rv-quality td:empty { display: none; }
  [role=tablist] button { padding-left: 10px !important; padding-right: 10px !important; }
}
"""
"""The page's own style; the canvas client brings its own."""


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
    )
