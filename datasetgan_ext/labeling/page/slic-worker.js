// Answers a request for superpixels: the image (rgba, width, height), the side of a cell, and anything else, which is
// sent back with the superpixels, as is all but the image.

import {superpixels} from './slic.js';

onmessage = ({data: {rgba, ...asked}}) => {
  postMessage({...asked, ...superpixels(rgba, asked.width, asked.height, asked.cell)});
};
