"""The measured quality of a world, read out: one row a number, beside what it is to be compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """A number for a reader: the measure, its value, its baseline, and what it means."""

    measure: str
    value: str
    beside: str
    meaning: str


def decibels(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} dB"


def percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def span(interval: list[float] | None, unit: str) -> str:
    """The 95 % interval in brackets, nothing where there is none."""
    if not interval:
        return ""
    low, high = (f"{100 * x:.1f}" if unit == "%" else f"{x:.1f}" for x in interval)
    return f" [{low} .. {high}]"


def quality_rows(quality: dict[str, Any]) -> list[Row]:
    """All measures there are, in the order of importance to a player; empty when the world was never measured."""
    parts = (
        ("action_accuracy", action_rows),
        ("objects", object_rows),
        ("one_step", one_step_rows),
        ("drift", drift_rows),
        ("events", event_rows),
        ("free_dream", free_dream_rows),
    )
    return [row for key, rows in parts if quality.get(key) for row in rows(quality[key])]


def action_rows(part: dict[str, Any]) -> list[Row]:
    first = part["first_response"]
    own = f"held for {part['steps']} steps from {part['states']} states of the real game, the dream is nearest"
    return [
        Row(
            "action accuracy",
            percent(part["accuracy"]) + span(part["interval"], "%"),
            f"chance {percent(part['chance'])}",
            f"an action {own} to the real future of that action ({part['hits']} of {part['trials']})",
        ),
        Row(
            "action accuracy, first response",
            percent(first["accuracy"]) + span(first["interval"], "%"),
            f"chance {percent(first['chance'])}",
            f"the same on the first frame in which the real futures differ ({first['hits']} of {first['trials']})",
        ),
    ]


def object_rows(part: dict[str, Any]) -> list[Row]:
    rows = []
    said = f"over {part['steps']} open-loop steps; to compare: what the probe reads off the real frames"
    for name, found in part["by_object"].items():
        median = "none found" if found["median_error"] is None else f"median error {found['median_error']:.2f} pixels"
        within = f"{name} within {part['within_pixels']:g} pixels"
        rows.append(
            Row(
                within,
                percent(found["share"]) + span(found["interval"], "%"),
                f"real frames {percent(found['probe_share'])}",
                f"{said}; {found['frames']} frames, {median}",
            )
        )
        said = "the same"
        if "share_in_sight" in found:
            meaning = (
                f"the same until it first goes out of sight, {found['frames_in_sight']} frames: where it comes back "
            )
            rows.append(Row(f"{within}, in sight", percent(found["share_in_sight"]), "", meaning + "may be open"))
    return rows


def one_step_rows(part: dict[str, Any]) -> list[Row]:
    frames = f"{part['frames']} held-out frames"
    return [
        Row(
            "one-step PSNR",
            decibels(part["psnr"]) + span(part["psnr_interval"], "dB"),
            f"copy-last {decibels(part['copy_psnr'])}",
            f"the next frame from real ones, over {frames}",
        ),
        Row(
            "one-step PSNR, moving pixels",
            decibels(part["moving_psnr"]) + span(part["moving_psnr_interval"], "dB"),
            f"copy-last {decibels(part['copy_moving_psnr'])}",
            "the same over the pixels that changed in reality",
        ),
        Row(
            "one-step SSIM",
            f"{part['ssim']:.4f}",
            f"copy-last {part['copy_ssim']:.4f}",
            "structural similarity of the same frames, 1 is a perfect match",
        ),
    ]


def drift_rows(part: dict[str, Any]) -> list[Row]:
    said = f"dreamed on from {part['segments']} held-out starts under the real actions; "
    meanings = [said + "moving: where reality differs from the start"] + ["the same"] * len(part["steps"])
    return [
        Row(
            f"PSNR after {step} step{'s' if step != '1' else ''}",
            f"{decibels(at['psnr'])}, moving {decibels(at['moving_psnr'])}",
            f"copy-start {decibels(at['copy_psnr'])}, moving {decibels(at['copy_moving_psnr'])}",
            meaning,
        )
        for (step, at), meaning in zip(part["steps"].items(), meanings, strict=False)
    ]


def event_rows(part: dict[str, Any]) -> list[Row]:
    rows = []
    said = f"foreseen in the very step, from real frames; weighted to stand for {part['population']} held-out steps; "
    for name, found in part["kinds"].items():
        f1 = "-" if found["f1"] is None else f"{found['f1']:.3f}"
        value = f"F1 {f1}, precision {percent(found['precision'])}, recall {percent(found['recall'])}"
        rate = f"one in {found['every_steps']} steps" if found["every_steps"] else "never in reality"
        rows.append(Row(name, value, rate, f"{said}{found['positives']} events"))
        said = "the same; "
    return rows


def free_dream_rows(part: dict[str, Any]) -> list[Row]:
    rows = []
    said = f"share of frames with it of {part['dreams']} dreams of {part['steps']} steps with {part['player']}; "
    for name, found in part["by_object"].items():
        rows.append(
            Row(
                f"{name} seen in free dreams",
                f"{percent(found['share'])}, longest gap {found['longest_gap']} steps",
                f"real game {percent(found['real_share'])}, longest gap {found['real_longest_gap']}",
                f"{said}gone for longer than ever in the real game in {found['vanished']} dreams",
            )
        )
        said = "the same; "
    dream, real = part["points"]["dream"], part["points"]["real"]
    rows.append(
        Row(
            "rewards in free dreams",
            f"{dream['won']} of +1, {dream['lost']} of -1",
            f"real game {real['won']} of +1, {real['lost']} of -1",
            "in the same dreams and games altogether",
        )
    )
    return rows
