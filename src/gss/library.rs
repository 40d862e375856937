//! The system's GSSAPI (RFC 2744, as MIT Kerberos has it in `libgssapi_krb5.so.2`), loaded when it is asked for: a server runs
//! where there is none.
//!
//! Promise: handles are released once and never used behind that; what the library gives is copied and given back.
//! Invariant: the only file that calls it.

#![expect(unsafe_code, reason = "a C library is called")]

use super::GssError;
use crate::sasl::Step;
use libloading::Library as Loaded;
use std::{
    ffi::{CStr, CString, OsStr, c_char, c_int, c_void},
    ptr::{null, null_mut},
    sync::Arc,
};

/// What packages of systems call it, beginning with the one that is looked for.
const NAMES: &str = "libgssapi_krb5.so.2";

/// A handle of the library: a name, credentials, or a context.
type Handle = *mut c_void;

#[repr(C)]
struct Buffer {
    len: usize,
    value: *mut c_void,
}

#[repr(C)]
struct Oid {
    len: u32,
    elements: *const c_void,
}

#[repr(C)]
struct OidSet {
    count: usize,
    elements: *const Oid,
}

#[repr(C)]
struct Entry {
    key: *const c_char,
    value: *const c_char,
}

#[repr(C)]
struct Store {
    count: u32,
    elements: *const Entry,
}

/// 1.2.840.113554.1.2.2, Kerberos.
const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
/// 1.2.840.113554.1.2.2.1, the name of a principal.
const PRINCIPAL: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01";
/// 1.2.840.113554.1.2.1.4, a service at a host.
const SERVICE: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04";
/// Bits of a status that are errors (`GSS_ERROR`).
const ERRORS: u32 = 0xffff_0000;
/// `GSS_S_CONTINUE_NEEDED`.
const CONTINUES: u32 = 1;
/// `GSS_C_INTEG_FLAG`.
const INTEGRITY: u32 = 32;
/// A longer text of an error is cut, in messages.
const MESSAGES_MAX: usize = 8;

impl Buffer {
    const EMPTY: Self = Self { len: 0, value: null_mut() };

    /// For bytes that are read alone, while they live.
    const fn of(bytes: &[u8]) -> Self {
        Self { len: bytes.len(), value: bytes.as_ptr().cast_mut().cast() }
    }
}

const fn oid(bytes: &'static [u8]) -> Oid {
    Oid { len: bytes.len() as u32, elements: bytes.as_ptr().cast() }
}

/// The functions that are used, and what they stand in.
struct Functions {
    import_name: unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32,
    canonicalize: unsafe extern "C" fn(*mut u32, Handle, *const Oid, *mut Handle) -> u32,
    display_name: unsafe extern "C" fn(*mut u32, Handle, *mut Buffer, *mut *const Oid) -> u32,
    release_name: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32,
    acquire: unsafe extern "C" fn(
        *mut u32,
        Handle,
        u32,
        *const OidSet,
        c_int,
        *const Store,
        *mut Handle,
        *mut *mut OidSet,
        *mut u32,
    ) -> u32,
    release_credentials: unsafe extern "C" fn(*mut u32, *mut Handle) -> u32,
    accept: unsafe extern "C" fn(
        *mut u32,
        *mut Handle,
        Handle,
        *const Buffer,
        *const c_void,
        *mut Handle,
        *mut *const Oid,
        *mut Buffer,
        *mut u32,
        *mut u32,
        *mut Handle,
    ) -> u32,
    init: unsafe extern "C" fn(
        *mut u32,
        Handle,
        *mut Handle,
        Handle,
        *const Oid,
        u32,
        u32,
        *const c_void,
        *const Buffer,
        *mut *const Oid,
        *mut Buffer,
        *mut u32,
        *mut u32,
    ) -> u32,
    wrap: unsafe extern "C" fn(*mut u32, Handle, c_int, u32, *const Buffer, *mut c_int, *mut Buffer) -> u32,
    unwrap: unsafe extern "C" fn(*mut u32, Handle, *const Buffer, *mut Buffer, *mut c_int, *mut u32) -> u32,
    delete_context: unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> u32,
    release_buffer: unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32,
    display_status: unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32,
    init_kerberos: unsafe extern "C" fn(*mut Handle) -> i32,
    default_realm: unsafe extern "C" fn(Handle, *mut *mut c_char) -> i32,
    free_realm: unsafe extern "C" fn(Handle, *mut c_char),
    free_kerberos: unsafe extern "C" fn(Handle),
    /// Keeps the functions where they are.
    _loaded: Loaded,
}

/// The library.
#[derive(Clone)]
pub(super) struct Library(Arc<Functions>);

/// What is to be done with credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Usage {
    /// Others log in here (`GSS_C_ACCEPT`).
    Accept = 2,
    /// This side logs in elsewhere (`GSS_C_INITIATE`).
    Initiate = 1,
}

impl Library {
    /// Loads it. `config`: what to read in place of `/etc/krb5.conf`.
    ///
    /// # Errors
    /// There is none, or it lacks a function.
    pub(super) fn load(config: Option<&OsStr>) -> Result<Self, GssError> {
        if let Some(config) = config {
            // SAFETY: Rust's own look-ups of the environment lock against this; the C library's are those of the
            // library that is loaded below, and of the resolver, which nobody calls while a server reads its settings.
            unsafe { std::env::set_var("KRB5_CONFIG", config) };
        }
        let missing =
            |error: libloading::Error| GssError::NoLibrary { name: NAMES, problem: error.to_string() };
        // SAFETY: its initialisation sets up its own locks and tables alone.
        let loaded = unsafe { Loaded::new(NAMES) }.map_err(missing)?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: RFC 2744 and MIT's headers (krb5 1.11 and later) have this function with the type of the field.
                *unsafe { loaded.get($name) }.map_err(missing)?
            };
        }
        Ok(Self(Arc::new(Functions {
            import_name: function!(b"gss_import_name\0"),
            canonicalize: function!(b"gss_canonicalize_name\0"),
            display_name: function!(b"gss_display_name\0"),
            release_name: function!(b"gss_release_name\0"),
            acquire: function!(b"gss_acquire_cred_from\0"),
            release_credentials: function!(b"gss_release_cred\0"),
            accept: function!(b"gss_accept_sec_context\0"),
            init: function!(b"gss_init_sec_context\0"),
            wrap: function!(b"gss_wrap\0"),
            unwrap: function!(b"gss_unwrap\0"),
            delete_context: function!(b"gss_delete_sec_context\0"),
            release_buffer: function!(b"gss_release_buffer\0"),
            display_status: function!(b"gss_display_status\0"),
            init_kerberos: function!(b"krb5_init_context\0"),
            default_realm: function!(b"krb5_get_default_realm\0"),
            free_realm: function!(b"krb5_free_default_realm\0"),
            free_kerberos: function!(b"krb5_free_context\0"),
            _loaded: loaded,
        })))
    }

    /// The realm of names that name none; `None`: the configuration has none.
    pub(super) fn default_realm(&self) -> Option<String> {
        let functions = &*self.0;
        let (mut context, mut realm) = (null_mut(), null_mut());
        // SAFETY: both are set if the functions return 0, and are given back once.
        unsafe {
            if (functions.init_kerberos)(&raw mut context) != 0 {
                return None;
            }
            let found = (functions.default_realm)(context, &raw mut realm) == 0;
            let text = found.then(|| CStr::from_ptr(realm).to_string_lossy().into_owned());
            if found {
                (functions.free_realm)(context, realm);
            }
            (functions.free_kerberos)(context);
            text
        }
    }

    /// The name of a principal.
    pub(super) fn name(&self, principal: &str) -> Result<Name, GssError> {
        self.import(principal, PRINCIPAL)
    }

    /// The principal of `service@host`. It asks the resolver.
    pub(super) fn canonical(&self, service: &str) -> Result<String, GssError> {
        let (service, mechanism) = (self.import(service, SERVICE)?, oid(KERBEROS));
        let (mut minor, mut handle) = (0, null_mut());
        // SAFETY: what is pointed to lives beyond the call.
        let major = unsafe {
            (self.0.canonicalize)(&raw mut minor, service.handle, &raw const mechanism, &raw mut handle)
        };
        let name = Name { library: self.clone(), handle };
        self.checked(major, minor)?;
        name.text()
    }

    fn import(&self, text: &str, kind: &'static [u8]) -> Result<Name, GssError> {
        let (mut minor, mut handle) = (0, null_mut());
        let (text, kind) = (Buffer::of(text.as_bytes()), oid(kind));
        // SAFETY: what is pointed to lives beyond the call.
        let major = unsafe {
            (self.0.import_name)(&raw mut minor, &raw const text, &raw const kind, &raw mut handle)
        };
        let name = Name { library: self.clone(), handle };
        self.checked(major, minor).map(|_| name)
    }

    /// Credentials of a principal. `store`: where they are, as `gss_acquire_cred_from` names it.
    pub(super) fn credentials(
        &self,
        name: Option<&Name>,
        usage: Usage,
        store: &[(&str, &str)],
    ) -> Result<Credentials, GssError> {
        let text = |text: &str| CString::new(text).map_err(|_| GssError::Nul);
        let texts: Vec<(CString, CString)> = store
            .iter()
            .map(|(key, value)| Ok((text(key)?, text(value)?)))
            .collect::<Result<_, GssError>>()?;
        let entries: Vec<Entry> =
            texts.iter().map(|(key, value)| Entry { key: key.as_ptr(), value: value.as_ptr() }).collect();
        let store = Store { count: u32::try_from(entries.len()).unwrap_or(0), elements: entries.as_ptr() };
        let mechanism = oid(KERBEROS);
        let mechanisms = OidSet { count: 1, elements: &raw const mechanism };
        let (mut minor, mut handle) = (0, null_mut());
        // SAFETY: what is pointed to lives beyond the call; nulls mean that nothing is asked for.
        let major = unsafe {
            (self.0.acquire)(
                &raw mut minor,
                name.map_or(null_mut(), |name| name.handle),
                u32::MAX,
                &raw const mechanisms,
                usage as c_int,
                &raw const store,
                &raw mut handle,
                null_mut(),
                null_mut(),
            )
        };
        let credentials = Credentials { library: self.clone(), handle };
        self.checked(major, minor).map(|_| credentials)
    }

    /// A context that does not stand yet.
    pub(super) fn context(&self) -> Context {
        Context { library: self.clone(), handle: null_mut() }
    }

    /// Whether there is more to come, or what is wrong.
    fn checked(&self, major: u32, minor: u32) -> Result<bool, GssError> {
        if major & ERRORS == 0 {
            return Ok(major & CONTINUES != 0);
        }
        let (general, mut special) = (self.messages(major, 1), self.messages(minor, 2));
        special.retain(|text| !general.contains(text));
        // What is particular says more than "Unspecified GSS failure".
        Err(GssError::Failed(if special.is_empty() { general } else { special }.join("; ")))
    }

    /// The texts of a status. `kind`: 1 for a general one, 2 for one of Kerberos.
    fn messages(&self, status: u32, kind: c_int) -> Vec<String> {
        let (mut texts, mut more, mechanism) = (Vec::new(), 0, oid(KERBEROS));
        while texts.len() < MESSAGES_MAX {
            let (mut minor, mut text) = (0, Buffer::EMPTY);
            // SAFETY: what is pointed to lives beyond the call.
            let major = unsafe {
                (self.0.display_status)(
                    &raw mut minor,
                    status,
                    kind,
                    &raw const mechanism,
                    &raw mut more,
                    &raw mut text,
                )
            };
            if major & ERRORS != 0 {
                break;
            }
            texts.push(String::from_utf8_lossy(&self.taken(text)).into_owned());
            if more == 0 {
                break;
            }
        }
        texts
    }

    /// Copies what the library has given, and gives it back.
    fn taken(&self, mut buffer: Buffer) -> Vec<u8> {
        if buffer.value.is_null() {
            return Vec::new();
        }
        // SAFETY: the library has set both fields, and the buffer is given back once.
        unsafe {
            let bytes = std::slice::from_raw_parts(buffer.value.cast::<u8>(), buffer.len).to_vec();
            (self.0.release_buffer)(&mut 0, &raw mut buffer);
            bytes
        }
    }
}

/// The name of a principal.
pub(super) struct Name {
    library: Library,
    handle: Handle,
}

// SAFETY: names and credentials do not change, and the library's functions may be called by any thread.
unsafe impl Send for Name {}
// SAFETY: as above.
unsafe impl Sync for Name {}

impl Name {
    /// As text.
    fn text(&self) -> Result<String, GssError> {
        let (mut minor, mut text) = (0, Buffer::EMPTY);
        // SAFETY: the handle is one of the library's; a null asks for no kind.
        let major =
            unsafe { (self.library.0.display_name)(&raw mut minor, self.handle, &raw mut text, null_mut()) };
        let text = self.library.taken(text);
        self.library.checked(major, minor)?;
        String::from_utf8(text).map_err(|_| GssError::NotText)
    }
}

impl Drop for Name {
    fn drop(&mut self) {
        // SAFETY: it is released once; a null is none.
        unsafe { (self.library.0.release_name)(&mut 0, &raw mut self.handle) };
    }
}

/// Keys, or tickets.
pub(super) struct Credentials {
    library: Library,
    handle: Handle,
}

// SAFETY: the library locks what changes in them (MIT Kerberos, "Thread safety").
unsafe impl Send for Credentials {}
// SAFETY: as above.
unsafe impl Sync for Credentials {}

impl Drop for Credentials {
    fn drop(&mut self) {
        // SAFETY: as of a name.
        unsafe { (self.library.0.release_credentials)(&mut 0, &raw mut self.handle) };
    }
}

/// One side of a context.
pub(super) struct Context {
    library: Library,
    handle: Handle,
}

// SAFETY: one thread at a time has it (`&mut`), which is all that the library asks for.
unsafe impl Send for Context {}

impl Context {
    /// Takes a token of the other side, which logs in here.
    pub(super) fn accept(&mut self, credentials: &Credentials, token: &[u8]) -> Result<Step, GssError> {
        let library = self.library.clone();
        let (input, mut output) = (Buffer::of(token), Buffer::EMPTY);
        let (mut minor, mut name, mut mechanism) = (0, null_mut(), null());
        // SAFETY: what is pointed to lives beyond the call; nulls mean that nothing is asked for.
        let major = unsafe {
            (library.0.accept)(
                &raw mut minor,
                &raw mut self.handle,
                credentials.handle,
                &raw const input,
                null(),
                &raw mut name,
                &raw mut mechanism,
                &raw mut output,
                null_mut(),
                null_mut(),
                null_mut(),
            )
        };
        let (token, name) = (library.taken(output), Name { library: library.clone(), handle: name });
        let stands = !library.checked(major, minor)?;
        // SAFETY: it is null, or one that the library keeps.
        if stands && !unsafe { is_kerberos(mechanism) } {
            return Err(GssError::OtherMechanism);
        }
        let peer = stands.then(|| name.text()).transpose()?;
        Ok(Step { token: said(token), stands, peer })
    }

    /// Takes a token of the other side, which this one logs in to; an empty one to begin with.
    pub(super) fn initiate(
        &mut self,
        credentials: &Credentials,
        target: &Name,
        token: &[u8],
    ) -> Result<Step, GssError> {
        let library = self.library.clone();
        let (input, mut output, mut minor) = (Buffer::of(token), Buffer::EMPTY, 0);
        let mechanism = oid(KERBEROS);
        // SAFETY: as above.
        let major = unsafe {
            (library.0.init)(
                &raw mut minor,
                credentials.handle,
                &raw mut self.handle,
                target.handle,
                &raw const mechanism,
                INTEGRITY,
                0,
                null(),
                &raw const input,
                null_mut(),
                &raw mut output,
                null_mut(),
                null_mut(),
            )
        };
        let token = library.taken(output);
        let stands = !library.checked(major, minor)?;
        Ok(Step { token: said(token), stands, peer: None })
    }

    /// Signs what is to be sent.
    pub(super) fn wrap(&mut self, plain: &[u8]) -> Result<Vec<u8>, GssError> {
        let (input, mut output, mut minor) = (Buffer::of(plain), Buffer::EMPTY, 0);
        // SAFETY: the context is one of the library's, or null, which it refuses.
        let major = unsafe {
            let Functions { wrap, .. } = &*self.library.0;
            wrap(&raw mut minor, self.handle, 0, 0, &raw const input, null_mut(), &raw mut output)
        };
        let bytes = self.library.taken(output);
        self.library.checked(major, minor).map(|_| bytes)
    }

    /// Checks what was signed, or opens what was sealed.
    pub(super) fn unwrap(&mut self, sealed: &[u8]) -> Result<Vec<u8>, GssError> {
        let (input, mut output, mut minor) = (Buffer::of(sealed), Buffer::EMPTY, 0);
        // SAFETY: as above.
        let major = unsafe {
            let Functions { unwrap, .. } = &*self.library.0;
            unwrap(&raw mut minor, self.handle, &raw const input, &raw mut output, null_mut(), null_mut())
        };
        let bytes = self.library.taken(output);
        self.library.checked(major, minor).map(|_| bytes)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: it is deleted once; a null is none.
        unsafe { (self.library.0.delete_context)(&mut 0, &raw mut self.handle, null_mut()) };
    }
}

/// A token, if there is something in it.
fn said(token: Vec<u8>) -> Option<Vec<u8>> {
    (!token.is_empty()).then_some(token)
}

/// # Safety
/// It is null, or points to an OID.
unsafe fn is_kerberos(mechanism: *const Oid) -> bool {
    // SAFETY: the caller's promise, and that the library has set both fields.
    unsafe {
        mechanism.as_ref().is_some_and(|oid| {
            std::slice::from_raw_parts(oid.elements.cast::<u8>(), oid.len as usize) == KERBEROS
        })
    }
}
