//! The order in which a `java.util.HashMap` with keys of type `Long` lists them: the official server writes its lines
//! so. Keys that share a bucket come in the order in which they were put there; here they come by number.

/// The numbers, each of them once, in the order of the table that holds all of them.
pub(super) fn hash_order(mut numbers: Vec<i64>) -> Vec<i64> {
    // A table starts with 16 buckets and doubles when it is more than three quarters full.
    let mut buckets = 16;
    while numbers.len() > buckets / 4 * 3 {
        buckets *= 2;
    }
    let mask = buckets as u64 - 1;
    numbers.sort_unstable_by_key(|&number| (u64::from(hash(number)) & mask, number));
    numbers
}

/// `Long.hashCode`, spread as the table does.
const fn hash(number: i64) -> u32 {
    let folded = (number ^ number.cast_unsigned().wrapping_shr(32).cast_signed()) as u32;
    folded ^ folded >> 16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_as_java_lists_them() {
        assert_eq!(hash_order(vec![3, 1, 2]), [1, 2, 3]);
        assert_eq!(hash_order(vec![15, 16, 17, 31, 32]), [16, 32, 17, 15, 31]);
        assert_eq!(hash_order((10..23).collect()), (10..23).collect::<Vec<_>>(), "13 are in 32 buckets");
        // Hashes 99, 0 (all bits fold to nothing), 1 << 32 as 1, 65536 as 65537.
        assert_eq!(hash_order(vec![99, -1, 1 << 32, 65536]), [-1, 65536, 1 << 32, 99]);
    }
}
