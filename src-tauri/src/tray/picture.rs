//! The icon in the tray, drawn: a shape as well as a colour for each state, and a mark where something waits.
//!
//! What flows through: a state in, pixels out. What it never does: read a file; there is nothing that could be missing.

use crate::attention::Worst;

/// One size of the icon: ARGB, each byte in this order, as the StatusNotifierItem specification wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    pub(super) side: i32,
    pub(super) argb: Vec<u8>,
}

/// The sizes that trays ask for, pixels.
const SIDES: [i32; 3] = [22, 32, 48];
/// Each pixel is looked at in so many places in each direction, so that edges are smooth.
const FINE: i32 = 4;

const WHITE: [u8; 3] = [255, 255, 255];
const GREEN: [u8; 3] = [0x2c, 0x96, 0x4b];
const GREY: [u8; 3] = [0x6b, 0x72, 0x80];
const AMBER: [u8; 3] = [0xc7, 0x7d, 0x0a];
const RED: [u8; 3] = [0xc9, 0x2a, 0x2a];
const BLUE: [u8; 3] = [0x0b, 0x62, 0xbd];

/// The icon of a state, in all sizes.
pub(super) fn icon(worst: Worst, waits: bool) -> Vec<Pixels> {
    SIDES.map(|side| draw(side, worst, waits)).to_vec()
}

fn draw(side: i32, worst: Worst, waits: bool) -> Pixels {
    let mut argb = Vec::with_capacity((side * side * 4) as usize);
    for y in 0..side {
        for x in 0..side {
            let mut sum = [0_u32; 4];
            for inner in 0..FINE * FINE {
                let at = |pixel: i32, part: i32| {
                    (f64::from(pixel) + (f64::from(part) + 0.5) / f64::from(FINE)) / f64::from(side)
                };
                let seen = colour(at(x, inner % FINE), at(y, inner / FINE), worst, waits);
                if let Some([red, green, blue]) = seen {
                    for (sum, part) in sum.iter_mut().zip([255, red, green, blue]) {
                        *sum += u32::from(part);
                    }
                }
            }
            let [alpha, red, green, blue] = sum;
            let places = (FINE * FINE) as u32;
            // Colours are means over what is covered alone, since they are not multiplied by the alpha.
            let covered = (alpha / 255).max(1);
            argb.extend(
                [
                    alpha / places,
                    red / covered,
                    green / covered,
                    blue / covered,
                ]
                .map(|part| part.min(255) as u8),
            );
        }
    }
    Pixels { side, argb }
}

/// What is at a place of the icon, 0 to 1 from its upper left corner.
fn colour(x: f64, y: f64, worst: Worst, waits: bool) -> Option<[u8; 3]> {
    // The mark of what waits, at the lower right, with a rim around it.
    if waits {
        let away = (x - 0.76).hypot(y - 0.76);
        if away < 0.2 {
            return Some(BLUE);
        }
        if away < 0.24 {
            return None;
        }
    }
    let from_middle = (x - 0.5).hypot(y - 0.5);
    let stroke = |x0: f64, y0: f64, x1: f64, y1: f64| distance(x, y, (x0, y0), (x1, y1)) < 0.06;
    match worst {
        // A disc with a tick.
        Worst::Good => (from_middle < 0.46).then(|| {
            if stroke(0.28, 0.52, 0.44, 0.68) || stroke(0.44, 0.68, 0.72, 0.36) {
                WHITE
            } else {
                GREEN
            }
        }),
        // A ring with nothing in it.
        Worst::Unknown => (from_middle < 0.46 && from_middle > 0.3).then_some(GREY),
        // A triangle with a stroke and a dot.
        Worst::Degraded => {
            let inside = y > 0.08 && y < 0.92 && (x - 0.5).abs() < (y - 0.08) * 0.56;
            inside.then(|| {
                if stroke(0.5, 0.38, 0.5, 0.62) || (x - 0.5).hypot(y - 0.78) < 0.07 {
                    WHITE
                } else {
                    AMBER
                }
            })
        }
        // A square with a cross.
        Worst::Bad => {
            let inside = (x - 0.5).abs() < 0.42 && (y - 0.5).abs() < 0.42;
            inside.then(|| {
                if stroke(0.32, 0.32, 0.68, 0.68) || stroke(0.68, 0.32, 0.32, 0.68) {
                    WHITE
                } else {
                    RED
                }
            })
        }
    }
}

/// How far a place is from a line between two places.
fn distance(x: f64, y: f64, from: (f64, f64), to: (f64, f64)) -> f64 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let along = ((x - from.0) * dx + (y - from.1) * dy) / (dx * dx + dy * dy);
    let along = along.clamp(0.0, 1.0);
    (x - from.0 - along * dx).hypot(y - from.1 - along * dy)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Worst; 4] = [Worst::Good, Worst::Unknown, Worst::Degraded, Worst::Bad];

    /// The outline: where anything is drawn at all, whatever its colour.
    fn outline(pixels: &Pixels) -> Vec<bool> {
        pixels.argb.chunks(4).map(|argb| argb[0] > 127).collect()
    }

    #[test]
    fn each_state_has_a_shape_of_its_own() {
        for (at, one) in ALL.into_iter().enumerate() {
            for other in &ALL[at + 1..] {
                let (one, other) = (draw(32, one, false), draw(32, *other, false));
                let differing = outline(&one)
                    .iter()
                    .zip(outline(&other))
                    .filter(|(one, other)| **one != *other)
                    .count();
                assert!(differing > 60, "only {differing} pixels differ");
            }
        }
    }

    #[test]
    fn unknown_has_no_green_in_it() {
        for pixels in icon(Worst::Unknown, false) {
            for argb in pixels.argb.chunks(4).filter(|argb| argb[0] > 0) {
                assert!(argb[2] <= argb[3], "{argb:?}");
            }
        }
    }

    #[test]
    fn what_waits_is_seen_in_every_state() {
        for worst in ALL {
            for (without, with) in icon(worst, false).iter().zip(icon(worst, true)) {
                assert_eq!(
                    without.argb.len(),
                    (without.side * without.side * 4) as usize
                );
                assert_ne!(without.argb, with.argb);
            }
        }
    }
}
