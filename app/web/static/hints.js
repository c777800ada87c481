// What views mean, in a sentence, for those whose name does not say it.

const HINTS = {
  "moving error": "How far off the dream is, where reality moved (levels of 255).",
  objects: "Where the probe sees each object, in pixels, and how far apart the two are.",
  drift: "Likeness of the pixels that move; more is better, and it begins anew at an anchor.",
  "objects apart": "Pixels between an object in reality and in the dream.",
  reward: "What each step paid.",
  "latent path": "The way of the latent state, over the map of real play where there is one.",
  "off the map": "Distance to real play: 1 is its 95th percentile.",
  "nearest real": "The nearest moments of real play, and how far each is.",
  "action matrix": "Row: the action dreamt, column: the action in the real game, value: how far apart. The faintest is the nearest: right on the diagonal.",
  "action response": "How much an action's future differs from the one without it; dashed: in the real game.",
  "sequence response": "How much a sequence's future differs from doing nothing; dashed: in the real game.",
  "spread of seeds": "How far the futures of different chance are apart.",
  unsure: "Where samples of the next frame differ (standard deviation in levels of 255).",
  spread: "Mean of that map.",
  "surprise map": "Where the real frame is unlike what was foretold, beyond what samples differ among each other.",
  foretold: "Samples of the frame that came, and the frame itself.",
  "surprise score": "0: reality is one of the samples, as far as can be told.",
  faults: "Each named fault that was looked for, beside the real game.",
  denoising: "The picture at each noise level, from noise to frame.",
  estimate: "What the network takes the frame for, at each noise level.",
  "U-Net": "Features of each level as colours: their three strongest directions.",
  attention: "How much each place is looked at, by head.",
};

/** The sentence for a view; "" for one that needs none. Of two dreams, the second one's name stands before the view's. */
export function hintOf(name) {
  return HINTS[name] ?? HINTS[name.slice(name.indexOf(": ") + 2)] ?? "";
}
