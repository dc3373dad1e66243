// Where the reader looks at the picture from: a point of it is shown at `x + k·px`, `y + k·py`.

export interface Camera {
  x: number;
  y: number;
  /** How many times as large as it is. */
  k: number;
}

export interface Size {
  width: number;
  height: number;
}

const NEAREST = 2.5;
const FARTHEST = 0.08;
/** A small picture is not blown up further than this to fill the screen. */
const FITTED_MOST = 1.15;
/** Smaller than this nothing can be read. */
const READABLE = 0.62;
const MARGIN = 28;
/** At least this much of the picture stays in sight. */
const IN_SIGHT = 80;

/** All of the picture, in the middle. */
export function fitted(picture: Size, frame: Size): Camera {
  const k = Math.min(
    FITTED_MOST,
    (frame.width - 2 * MARGIN) / Math.max(1, picture.width),
    (frame.height - 2 * MARGIN) / Math.max(1, picture.height),
  );
  return centred(picture, frame, Math.max(FARTHEST, k));
}

/** The whole where it can be read so; else its middle, in a size that can be read. */
export function begun(picture: Size, frame: Size): Camera {
  const all = fitted(picture, frame);
  if (all.k >= READABLE) return all;
  const wide = (frame.width - 2 * MARGIN) / Math.max(1, picture.width);
  const k = Math.min(1, Math.max(READABLE, wide));
  const camera = centred(picture, frame, k);
  return { ...camera, x: Math.max(MARGIN, camera.x) };
}

function centred(picture: Size, frame: Size, k: number): Camera {
  return {
    k,
    x: (frame.width - k * picture.width) / 2,
    y: (frame.height - k * picture.height) / 2,
  };
}

/** Nearer or farther, with what is under this point of the frame staying there. */
export function zoomed(camera: Camera, by: number, at: { x: number; y: number }): Camera {
  const k = Math.min(NEAREST, Math.max(FARTHEST, camera.k * by));
  const scale = k / camera.k;
  return { k, x: at.x - (at.x - camera.x) * scale, y: at.y - (at.y - camera.y) * scale };
}

/** Moved, but never so far that nothing would be left to see. */
export function moved(camera: Camera, dx: number, dy: number, picture: Size, frame: Size): Camera {
  const within = (value: number, size: number, room: number) =>
    Math.min(room - IN_SIGHT, Math.max(IN_SIGHT - camera.k * size, value));
  return {
    k: camera.k,
    x: within(camera.x + dx, picture.width, frame.width),
    y: within(camera.y + dy, picture.height, frame.height),
  };
}

/** Moved just so far that this part of the picture is in sight. */
export function showing(
  camera: Camera,
  part: Size & { x: number; y: number },
  frame: Size,
): Camera {
  const axis = (at: number, start: number, length: number, room: number) => {
    const [low, high] = [at + camera.k * start, at + camera.k * (start + length)];
    if (low < MARGIN) return at + MARGIN - low;
    return high > room - MARGIN ? at + room - MARGIN - high : at;
  };
  return {
    k: camera.k,
    x: axis(camera.x, part.x, part.width, frame.width),
    y: axis(camera.y, part.y, part.height, frame.height),
  };
}
