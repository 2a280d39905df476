/** Pictures as the bytes of an input: channels first, row by row. */

/** The middle of a picture or of a camera's image, as large as fits, at the input's size: `[c h w]` bytes. */
export function pixelsOf(
  source: CanvasImageSource,
  size: { width: number; height: number },
  [channels, height, width]: [number, number, number],
): Uint8Array {
  const canvas = document.createElement('canvas');
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext('2d', { willReadFrequently: true }) as CanvasRenderingContext2D;
  const scale = Math.min(size.width / width, size.height / height);
  const [w, h] = [width * scale, height * scale];
  context.imageSmoothingQuality = 'high';
  context.drawImage(source, (size.width - w) / 2, (size.height - h) / 2, w, h, 0, 0, width, height);
  return planes(context.getImageData(0, 0, width, height).data, channels);
}

/** RGBA pixels as planes: one of grey, or red, green and blue. */
export function planes(rgba: Uint8ClampedArray, channels: number): Uint8Array {
  const count = rgba.length / 4;
  const out = new Uint8Array(channels * count);
  for (let index = 0; index < count; index++) {
    const [red, green, blue] = [rgba[4 * index] ?? 0, rgba[4 * index + 1] ?? 0, rgba[4 * index + 2] ?? 0];
    if (channels === 1) out[index] = Math.round(0.299 * red + 0.587 * green + 0.114 * blue);
    else {
      out[index] = red;
      out[count + index] = green;
      out[2 * count + index] = blue;
    }
  }
  return out;
}

/** Recorded sound as a WAV file of 16 bits, one channel. */
export function wav(samples: Float32Array, rate: number): Blob {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at: number, letters: string) => {
    for (const [index, letter] of [...letters].entries()) view.setUint8(at + index, letter.charCodeAt(0));
  };
  text(0, 'RIFF');
  view.setUint32(4, 36 + 2 * samples.length, true);
  text(8, 'WAVEfmt ');
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, 'data');
  view.setUint32(40, 2 * samples.length, true);
  for (const [index, sample] of samples.entries()) {
    view.setInt16(44 + 2 * index, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  }
  return new Blob([view], { type: 'audio/wav' });
}
