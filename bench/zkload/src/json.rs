//! A very small JSON object writer.
#[derive(Default)]
pub struct Obj {
    s: String,
}

pub fn esc(s: &str) -> String {
    let mut o = String::from("\"");
    for c in s.chars() {
        match c {
            '"' => o.push_str("\\\""),
            '\\' => o.push_str("\\\\"),
            c if (c as u32) < 32 => o.push_str(&format!("\\u{:04x}", c as u32)),
            c => o.push(c),
        }
    }
    o.push('"');
    o
}

impl Obj {
    pub fn new() -> Self {
        Self::default()
    }
    pub fn raw(&mut self, k: &str, v: &str) -> &mut Self {
        if !self.s.is_empty() {
            self.s.push(',');
        }
        self.s.push_str(&esc(k));
        self.s.push(':');
        self.s.push_str(v);
        self
    }
    pub fn str(&mut self, k: &str, v: &str) -> &mut Self {
        let e = esc(v);
        self.raw(k, &e)
    }
    pub fn int(&mut self, k: &str, v: i64) -> &mut Self {
        self.raw(k, &v.to_string())
    }
    pub fn f(&mut self, k: &str, v: f64) -> &mut Self {
        let t = if v.is_finite() { format!("{v:.4}") } else { "null".into() };
        self.raw(k, &t)
    }
    pub fn bool(&mut self, k: &str, v: bool) -> &mut Self {
        self.raw(k, if v { "true" } else { "false" })
    }
    pub fn end(&self) -> String {
        format!("{{{}}}", self.s)
    }
}
