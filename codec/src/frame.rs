//! Frames on the client port: an `int` length, then that many bytes; and the four-letter words, which are told
//! apart from a length by their first four bytes.

use std::ops::Range;

/// Length of the length, in bytes.
pub const PREFIX_LEN: usize = 4;

/// A length that the limit does not allow: the sender is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadFrame(
    /// The length that was announced.
    pub i32,
);

/// Finds the frame that starts at `start`: its body's place in `input`, or `None` when more has to arrive.
///
/// # Errors
/// [`BadFrame`]: the length is negative or beyond `max_len` bytes.
pub fn next_frame(input: &[u8], start: usize, max_len: usize) -> Result<Option<Range<usize>>, BadFrame> {
    let Some(prefix) = input[start..].first_chunk::<PREFIX_LEN>() else { return Ok(None) };
    let announced = i32::from_be_bytes(*prefix);
    let len = usize::try_from(announced).ok().filter(|&n| n <= max_len).ok_or(BadFrame(announced))?;
    let body = start + PREFIX_LEN..start + PREFIX_LEN + len;
    Ok((body.end <= input.len()).then_some(body))
}

/// Starts a frame at the end of `out`; [`end_frame`] fills in the length.
pub fn begin_frame(out: &mut Vec<u8>) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0; PREFIX_LEN]);
    start
}

/// A frame of 2 GiB or more, whose length cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

/// Ends the frame that [`begin_frame`] started at `start`.
///
/// # Errors
/// [`TooLong`]: nothing is changed, and what was appended since is no frame.
pub fn end_frame(out: &mut [u8], start: usize) -> Result<(), TooLong> {
    let len = out.len() - start - PREFIX_LEN;
    let len = i32::try_from(len).map_err(|_| TooLong)?;
    out[start..start + PREFIX_LEN].copy_from_slice(&len.to_be_bytes());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_found_once_it_is_whole() {
        let mut bytes = Vec::new();
        let start = begin_frame(&mut bytes);
        bytes.extend_from_slice(b"abc");
        end_frame(&mut bytes, start).unwrap();
        for cut in 0..bytes.len() {
            assert_eq!(next_frame(&bytes[..cut], 0, 3), Ok(None), "cut at {cut}");
        }
        assert_eq!(next_frame(&bytes, 0, 3), Ok(Some(4..7)));
        assert_eq!(next_frame(&bytes, 0, 2), Err(BadFrame(3)));
    }

    #[test]
    fn a_frame_of_2_gib_is_an_error() {
        // Zeros that nobody touches cost no memory.
        let mut bytes = vec![0; PREFIX_LEN + (1 << 31)];
        assert_eq!(end_frame(&mut bytes, 0), Err(TooLong));
        bytes.pop();
        assert_eq!(end_frame(&mut bytes, 0), Ok(()));
        assert_eq!(bytes[..PREFIX_LEN], i32::MAX.to_be_bytes());
    }

    #[test]
    fn bad_lengths_are_refused_before_the_body_arrives() {
        for announced in [-1, i32::MIN, i32::MAX, 1_048_576] {
            assert_eq!(next_frame(&announced.to_be_bytes(), 0, 1_048_575), Err(BadFrame(announced)));
        }
    }
}
