//! What a plane becomes in a picture when it is tilted: eight numbers. Pure.

use super::detect::Point;

/// Carries a plane onto a plane; the ninth number is 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Homography(pub(super) [f64; 8]);

impl Homography {
    pub(super) const IDENTITY: Homography = Homography([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);

    pub(super) fn at(&self, [x, y]: Point) -> Point {
        let (x, y) = (f64::from(x), f64::from(y));
        let [a, b, c, d, e, f, g, h] = self.0;
        let w = g * x + h * y + 1.0;
        [
            ((a * x + b * y + c) / w) as f32,
            ((d * x + e * y + f) / w) as f32,
        ]
    }

    /// Carries four corners, clockwise from the upper left, onto the square from (0, 0) to (1, 1).
    pub(super) fn of_square(corners: [Point; 4]) -> Option<Homography> {
        const SQUARE: [[f64; 2]; 4] = [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]];
        let mut rows = [[0.0; 9]; 8];
        for (n, (corner, [u, v])) in corners.iter().zip(SQUARE).enumerate() {
            let [x, y] = corner.map(f64::from);
            rows[n * 2] = [x, y, 1.0, 0.0, 0.0, 0.0, -u * x, -u * y, u];
            rows[n * 2 + 1] = [0.0, 0.0, 0.0, x, y, 1.0, -v * x, -v * y, v];
        }
        solved(rows).map(Homography)
    }

    fn rows(&self) -> [[f64; 3]; 3] {
        let [a, b, c, d, e, f, g, h] = self.0;
        [[a, b, c], [d, e, f], [g, h, 1.0]]
    }

    fn from_rows(rows: [[f64; 3]; 3]) -> Option<Homography> {
        let last = rows[2][2];
        let [[a, b, c], [d, e, f], [g, h, _]] = rows.map(|row| row.map(|it| it / last));
        let all = [a, b, c, d, e, f, g, h];
        all.iter()
            .all(|it| it.is_finite())
            .then_some(Homography(all))
    }

    pub(super) fn inverse(&self) -> Option<Homography> {
        let [[a, b, c], [d, e, f], [g, h, i]] = self.rows();
        Homography::from_rows([
            [e * i - f * h, c * h - b * i, b * f - c * e],
            [f * g - d * i, a * i - c * g, c * d - a * f],
            [d * h - e * g, b * g - a * h, a * e - b * d],
        ])
    }

    pub(super) fn after(&self, first: &Homography) -> Homography {
        let (one, other) = (self.rows(), first.rows());
        let product = [0, 1, 2].map(|row| {
            [0, 1, 2].map(|column| (0..3).map(|n| one[row][n] * other[n][column]).sum::<f64>())
        });
        Homography::from_rows(product).unwrap_or(Homography::IDENTITY)
    }
}

/// Solves eight equations (Gauss, with pivots); the ninth column is the right side.
pub(super) fn solved(mut rows: [[f64; 9]; 8]) -> Option<[f64; 8]> {
    for n in 0..8 {
        let pivot = (n..8).max_by(|a, b| rows[*a][n].abs().total_cmp(&rows[*b][n].abs()))?;
        rows.swap(n, pivot);
        if rows[n][n].abs() < 1e-12 {
            return None;
        }
        let pivot = rows[n];
        for (_, row) in rows.iter_mut().enumerate().filter(|(at, _)| *at != n) {
            let share = row[n] / pivot[n];
            for (value, above) in row.iter_mut().zip(pivot).skip(n) {
                *value -= share * above;
            }
        }
    }
    let mut solution = [0.0; 8];
    for n in 0..8 {
        solution[n] = rows[n][8] / rows[n][n];
    }
    Some(solution)
}
