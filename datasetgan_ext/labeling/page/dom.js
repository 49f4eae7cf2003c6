// The document.

export const $ = id => document.getElementById(id);
export const canvas = $('canvas');

export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}

/** Tells the person something; the next press on the image takes it away. */
export function say(text) {
  $('message').textContent = text;
}

export const countOf = (number, word) => `${number} ${word}${number === 1 ? '' : 's'}`;
