// What all modules of the page share. One mask of class ids, a byte a pixel, is drawn into; the server keeps what it is
// sent. Coordinates are pixels of the image from its upper left corner: the centre of the first pixel is (0.5, 0.5).

export const NONE = 255;         // the id of "no label"
export const BACKGROUND = 0;
export const ABSENT = 0;
export const OCCLUDED = 1;
export const VISIBLE = 2;

/**
 * @typedef {[number, number]} Place  x and y
 * @typedef {[number, number, number]} Keypoint  x, y and ABSENT, OCCLUDED or VISIBLE
 *
 * @typedef {object} Doubt  a region whose labels are perhaps a mistake
 * @property {string} sample  the image's name
 * @property {number} labeled  the class that it has
 * @property {number} expected  the class that the other images teach
 * @property {number} score  how sure the others are, and of how much
 * @property {number[]} pixels  indices, row by row
 * @property {string} key  the same for the same region of another check
 * @property {boolean} [kept]  a person has said that it is none
 * @property {number} [left]  how many of the pixels have the class still
 *
 * @typedef {object} Sample  an image of the list
 * @property {string} name
 * @property {number} share  of its pixels that are labelled, 0 to 1
 * @property {Keypoint[]} points
 * @property {{mask: string, keypoints: string}} versions  of what the page has last seen of the server
 * @property {{absent: number[], kept: string[]}} notes  keypoints that are not there, and doubts that are none
 * @property {Doubt[]} doubts  largest score first
 * @property {HTMLLIElement} item  its row in the list
 * @property {Uint8Array} [small]  its mask at the size of a glance
 * @property {{version: string, mask: Uint8Array}} [known]  a mask that the server is known to have had
 *
 * @typedef {object} Open  an image that is or was labelled
 * @property {string} name
 * @property {HTMLImageElement} image
 * @property {HTMLImageElement} [projection]  what the network makes of the photo
 * @property {Uint8Array} mask  a class id or NONE for each pixel
 * @property {Keypoint[]} points
 * @property {?Uint8Array} suggestion  a class id or NONE for each pixel
 * @property {?Uint8Array} uncertainty  of the suggestion: 0 = the ensemble's members agree, 255 = not at all
 * @property {Keypoint[]} proposed  suggested keypoints, or none at all
 * @property {number} serial  of the suggestion, as the server counts them; 0 = it is not the server's
 * @property {?Uint8Array} refused  for each pixel the class that is not to be suggested there again, or NONE
 * @property {boolean} dismissed  nothing is to be suggested before it is asked for
 * @property {object[]} done  what undo goes back to
 * @property {object[]} undone  what redo goes forth to
 * @property {Place[]} polygon  corners of the polygon that is being drawn
 * @property {number} chosenPoint
 * @property {{scale: number, x: number, y: number, fitted: boolean}} view  screen = image * scale + offset, in CSS
 *   pixels; fitted, to the window
 */
export const state = {
  task: null,                    // what /api/state says
  width: 0,
  height: 0,
  colors: [],                    // [red, green, blue] of each class
  samples: new Map(),            // name -> Sample
  current: null,                 // Open
  opening: null,                 // the name of the image asked for last
  tool: 'brush',
  painted: 1,                    // the class that is painted, or NONE
  sizes: {brush: 6, regions: 8},
  guarded: new Set(),            // classes that are not painted over
  onlyBlank: false,              // paint only what has no label
  stroke: null,                  // {last, id}, and of regions also {regions, painted}
  dragged: null,                 // the keypoint that is moved: {index, placed}
  pressed: null,                 // what the last press has done: {tool, changed}
  panning: null,                 // {x, y}: where the view's origin is from the pointer
  spaceDown: false,
  shown: 'colors',               // how labels are shown: colors, lines or nothing; or a projection in the photo's place
  pointer: null,                 // Place of the pointer in the image
  doubted: null,                 // the Doubt that is looked at
  auto: true,                    // suggestions come by themselves
  serials: {},                   // of the suggestions that the server has, by name
  mark: null,                    // the Mark of similar pixels, see similar.js
};

// ---- what has happened, so that a module need not know who wants to hear of it

const listeners = new Map();

/**
 * Calls the listener at each `tell` of the topic: `frame` (draw), `tools` (tool, class, size or keypoint), `labels`
 * (of the open image), `leaving` and `opened` (an image), `suggestion`, `saved` (a mask), `kept` (whatever of an image
 * is on the server's disk now), `news` (of the server's suggestions), `mark`, `clash` (of two tabs).
 */
export function on(topic, listener) {
  if (!listeners.has(topic)) listeners.set(topic, []);
  listeners.get(topic).push(listener);
}

export function tell(topic, about) {
  for (const listener of listeners.get(topic) ?? []) listener(about);
}
