// The document.

export const $ = id => document.getElementById(id);
export const canvas = $('canvas');
export const pen = canvas.getContext('2d');

export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Tells the person something, perhaps that something is wrong; the next press on the image takes it away. */
export function say(text, wrong = false) {
  $('message').textContent = text;
  $('message').classList.toggle('error', wrong);
}

export const countOf = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
