//! Log-linear (HDR-style) histogram: exact below 2048, then 1024 sub-buckets per power of two
//! (at most 0.1 % error). Values are nanoseconds, the report is in microseconds.

const SUB: usize = 1024;

/// Counts per bucket; adding is a few instructions and never allocates.
#[derive(Clone)]
pub struct Hist {
    buckets: Vec<u64>,
    /// How many values were added.
    pub n: u64,
    max: u64,
    min: u64,
    sum: u128,
}

impl Default for Hist {
    fn default() -> Self {
        Self::new()
    }
}

impl Hist {
    /// An empty histogram.
    pub fn new() -> Self {
        Self { buckets: vec![0; SUB * 56], n: 0, max: 0, min: u64::MAX, sum: 0 }
    }

    #[inline]
    fn bucket(value: u64) -> usize {
        if value < 2 * SUB as u64 {
            return value as usize;
        }
        let exponent = 63 - value.leading_zeros() as usize; // >= 11
        let sub = (value >> (exponent - 10)) as usize & (SUB - 1);
        (exponent - 9) * SUB + sub
    }

    /// The largest value that falls into a bucket.
    fn top(bucket: usize) -> u64 {
        if bucket < 2 * SUB {
            return bucket as u64;
        }
        let exponent = bucket / SUB + 9;
        let sub = (bucket % SUB) as u64;
        (((1u64 << 10) + sub + 1) << (exponent - 10)) - 1
    }

    /// Counts one value.
    #[inline]
    pub fn add(&mut self, value: u64) {
        let i = Self::bucket(value).min(self.buckets.len() - 1);
        self.buckets[i] += 1;
        self.n += 1;
        self.sum += u128::from(value);
        self.max = self.max.max(value);
        self.min = self.min.min(value);
    }

    /// Counts everything that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.n += other.n;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        self.min = self.min.min(other.min);
    }

    /// The value that a share `p` of all values does not exceed; 0 when there are none.
    fn quantile(&self, p: f64) -> u64 {
        if self.n == 0 {
            return 0;
        }
        let want = ((p * self.n as f64).ceil() as u64).clamp(1, self.n);
        let mut count = 0;
        for (i, in_bucket) in self.buckets.iter().enumerate() {
            count += in_bucket;
            if count >= want {
                return Self::top(i).min(self.max);
            }
        }
        self.max
    }

    /// Count, mean, extremes and quantiles as a JSON object.
    pub fn json(&self) -> String {
        let us = |v: u64| v as f64 / 1000.0;
        let mean = if self.n == 0 { 0.0 } else { self.sum as f64 / self.n as f64 / 1000.0 };
        format!(
            "{{\"n\":{},\"mean_us\":{:.1},\"min_us\":{:.1},\"p50_us\":{:.1},\"p90_us\":{:.1},\"p99_us\":{:.1},\"p999_us\":{:.1},\"max_us\":{:.1}}}",
            self.n,
            mean,
            us(if self.n == 0 { 0 } else { self.min }),
            us(self.quantile(0.5)),
            us(self.quantile(0.9)),
            us(self.quantile(0.99)),
            us(self.quantile(0.999)),
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
            let i = Hist::bucket(v);
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
        assert_eq!(h.quantile(0.5), 500);
        assert_eq!(h.quantile(0.99), 990);
        assert_eq!(h.quantile(1.0), 1000);
    }
}
