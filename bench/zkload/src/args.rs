//! `--key value` argument parsing. An unknown key is an error, so a typo cannot pass silently.
use std::collections::BTreeMap;

pub struct Args {
    map: BTreeMap<String, String>,
}

impl Args {
    pub fn parse(argv: &[String], known: &[&str], flags: &[&str]) -> Result<Self, String> {
        let mut map = BTreeMap::new();
        let mut i = 0;
        while i < argv.len() {
            let k =
                argv[i].strip_prefix("--").ok_or_else(|| format!("expected --option, got {:?}", argv[i]))?;
            let (k, inline) = match k.split_once('=') {
                Some((a, b)) => (a, Some(b.to_string())),
                None => (k, None),
            };
            if flags.contains(&k) {
                map.insert(k.to_string(), "1".to_string());
            } else if known.contains(&k) {
                let v = match inline {
                    Some(v) => v,
                    None => {
                        i += 1;
                        argv.get(i).cloned().ok_or_else(|| format!("--{k} needs a value"))?
                    }
                };
                map.insert(k.to_string(), v);
            } else {
                return Err(format!("unknown option --{k}"));
            }
            i += 1;
        }
        Ok(Self { map })
    }
    pub fn get(&self, k: &str) -> Option<&str> {
        self.map.get(k).map(|s| s.as_str())
    }
    pub fn flag(&self, k: &str) -> bool {
        self.map.contains_key(k)
    }
    pub fn str(&self, k: &str, d: &str) -> String {
        self.get(k).unwrap_or(d).to_string()
    }
    pub fn num<T: std::str::FromStr>(&self, k: &str, d: T) -> T {
        match self.get(k) {
            None => d,
            Some(s) => s.parse().unwrap_or_else(|_| {
                eprintln!("--{k}: not a number: {s:?}");
                std::process::exit(2)
            }),
        }
    }
}
