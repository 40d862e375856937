//! Log-linear (HDR-style) histogram: exact below 2048, then 1024 sub-buckets per power of two
//! (at most 0.1 % error). Values are nanoseconds.
#[derive(Clone)]
pub struct Hist {
    b: Vec<u64>,
    pub n: u64,
    pub max: u64,
    pub min: u64,
    pub sum: u128,
}

const SUB: usize = 1024;

impl Default for Hist {
    fn default() -> Self {
        Self::new()
    }
}

impl Hist {
    pub fn new() -> Self {
        Self { b: vec![0; SUB * 56], n: 0, max: 0, min: u64::MAX, sum: 0 }
    }
    #[inline]
    fn idx(v: u64) -> usize {
        if v < 2 * SUB as u64 {
            return v as usize;
        }
        let e = 63 - v.leading_zeros() as usize; // >= 11
        let sub = (v >> (e - 10)) as usize & (SUB - 1);
        (e - 9) * SUB + sub
    }
    fn top(i: usize) -> u64 {
        if i < 2 * SUB {
            return i as u64;
        }
        let e = i / SUB + 9;
        let sub = (i % SUB) as u64;
        (((1u64 << 10) + sub + 1) << (e - 10)) - 1
    }
    #[inline]
    pub fn add(&mut self, v: u64) {
        let i = Self::idx(v).min(self.b.len() - 1);
        self.b[i] += 1;
        self.n += 1;
        self.sum += v as u128;
        self.max = self.max.max(v);
        self.min = self.min.min(v);
    }
    pub fn merge(&mut self, o: &Self) {
        for (a, b) in self.b.iter_mut().zip(&o.b) {
            *a += b;
        }
        self.n += o.n;
        self.sum += o.sum;
        self.max = self.max.max(o.max);
        self.min = self.min.min(o.min);
    }
    pub fn q(&self, p: f64) -> u64 {
        if self.n == 0 {
            return 0;
        }
        let want = ((p * self.n as f64).ceil() as u64).clamp(1, self.n);
        let mut c = 0;
        for (i, x) in self.b.iter().enumerate() {
            c += x;
            if c >= want {
                return Self::top(i).min(self.max);
            }
        }
        self.max
    }
    pub fn json(&self) -> String {
        let us = |v: u64| v as f64 / 1000.0;
        let mean = if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 / 1000.0 };
        format!(
            "{{\"n\":{},\"mean_us\":{:.1},\"min_us\":{:.1},\"p50_us\":{:.1},\"p90_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}}}",
            self.n,
            mean,
            us(if self.n == 0 { 0 } else { self.min }),
            us(self.q(0.5)),
            us(self.q(0.9)),
            us(self.q(0.99)),
            us(self.q(0.999)),
            us(self.max)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn buckets_are_ordered_and_tight() {
        let mut last = 0;
        for v in (0..5_000_000u64).step_by(37).chain([1 << 40, (1 << 40) + 1]) {
            let i = Hist::idx(v);
            assert!(i >= last || v == 0);
            last = i;
            let t = Hist::top(i);
            assert!(t >= v && (t - v) as f64 <= 0.001 * v as f64 + 1.0, "{v} {t}");
        }
    }
    #[test]
    fn quantiles() {
        let mut h = Hist::new();
        for v in 1..=1000u64 {
            h.add(v);
        }
        assert_eq!(h.q(0.5), 500);
        assert_eq!(h.q(0.99), 990);
        assert_eq!(h.q(1.0), 1000);
    }
}
