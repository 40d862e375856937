//! What is not shown of a configuration: passwords and digests.

/// What stands in their place.
pub(super) const HIDDEN: &str = "********";

/// Whether the value of a setting of this name lets somebody in. A file that has the password does not.
pub(super) fn is_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    let names_one = ["password", "passwd", "secret", "superdigest", "credential"];
    names_one.iter().any(|part| key.contains(part)) && !key.ends_with("path")
}

/// A properties file without them; every other line is as it was.
pub(super) fn without_secrets(text: &str) -> String {
    let mut goes_on = false;
    text.split_inclusive('\n').fold(String::with_capacity(text.len()), |mut shown, line| {
        let content = line.trim_end_matches(['\n', '\r']);
        let end = &line[content.len()..];
        let continues = content.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1;
        let content = content.trim_start();
        let key_end = content.find(['=', ':', ' ', '\t']);
        let key = &content[..key_end.unwrap_or(content.len())];
        // What a secret goes on with is none of its lines' keys.
        let hidden = goes_on || (is_secret(key) && !key.starts_with(['#', '!']));
        goes_on = hidden && continues;
        match hidden {
            true if key_end.is_some() && is_secret(key) => {
                shown.push_str(&format!("{key}={HIDDEN}{end}"));
            }
            true => {}
            false => shown.push_str(line),
        }
        shown
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let text = "dataDir=/d\r\nssl.keyStore.password=a\\\n  b\nssl.keyStore.passwordPath=/f\n# password=c\n\
                    DigestAuthenticationProvider.superDigest: x\ntickTime=5";
        assert_eq!(
            without_secrets(text),
            "dataDir=/d\r\nssl.keyStore.password=********\nssl.keyStore.passwordPath=/f\n# password=c\n\
             DigestAuthenticationProvider.superDigest=********\ntickTime=5"
        );
    }
}
