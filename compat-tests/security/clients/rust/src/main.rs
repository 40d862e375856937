//! What a Rust program sees over TLS, and with a login: see ../../clients.py, which says what to do by the environment.
use std::{env, fs, future::Future, time::Duration};
use zookeeper_client::{Acl, Acls, AuthId, Client, CreateMode, Error, Permission, SaslOptions, TlsOptions};

fn say<T>(what: &str, result: Result<T, Error>, show: impl FnOnce(T) -> String) {
    match result {
        Ok(value) => println!("{what} -> {}", show(value)),
        Err(error) => println!("{what} -> {error:?}"),
    }
}

async fn bounded<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(Duration::from_secs(4), work).await.unwrap_or(Err(Error::Timeout))
}

async fn connect() -> Result<Client, Error> {
    let read = |name: &str| env::var(name).ok().map(|path| fs::read_to_string(path).expect("a file"));
    let mut connector = Client::connector().with_session_timeout(Duration::from_secs(10)).with_fail_eagerly();
    if let Some(ca) = read("CA") {
        let mut tls = TlsOptions::new().with_pem_ca(&ca)?;
        if let (Some(cert), Some(key)) = (read("CERT"), read("KEY")) {
            tls = tls.with_pem_identity(&cert, &key)?;
        }
        connector = connector.with_tls(tls);
    }
    if let (Ok(user), Ok(password)) = (env::var("ZKUSER"), env::var("ZKPASSWORD")) {
        connector = connector.with_sasl(SaslOptions::digest_md5(user, password));
    }
    let server = env::var("ZK").expect("ZK");
    if env::var("CA").is_ok() {
        connector.secure_connect(&server).await
    } else {
        connector.connect(&server).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let client = match bounded(connect()).await {
        Ok(client) => client,
        Err(error) => return println!("connect -> {error:?}"),
    };
    say("who", bounded(client.list_auth_users()).await, |users| {
        let mut users: Vec<String> =
            users.iter().map(|user| format!("{}:{}", user.scheme(), user.user())).collect();
        users.sort();
        users.join(" ")
    });
    let base = env::var("BASE").expect("BASE");
    let base = base.as_str();
    let (own_path, ephemeral_path) = (&format!("{base}/own"), &format!("{base}/e"));
    let open = CreateMode::Persistent.with_acls(Acls::anyone_all());
    say("create", bounded(client.create(base, b"x", &open)).await, |_| "ok".into());
    let large = vec![7; 800_000];
    say("set", bounded(client.set_data(base, &large, None)).await, |stat| format!("{}", stat.version));
    say("get", bounded(client.get_data(base)).await, |(data, _)| {
        format!("{} bytes, {}", data.len(), data == large)
    });
    let (scheme, id) = (env::var("SCHEME").unwrap_or("auth".into()), env::var("ID").unwrap_or_default());
    let own = [Acl::new(Permission::ALL, AuthId::new(&scheme, &id))];
    let own = CreateMode::Persistent.with_acls(Acls::new(&own));
    say("own", bounded(client.create(own_path, b"", &own)).await, |_| "ok".into());
    say("own", bounded(client.get_data(own_path)).await, |_| "ok".into());
    say("another's", bounded(client.get_data("/another")).await, |_| "ok".into());
    let watcher = bounded(client.get_and_watch_children(base)).await;
    let ephemeral = CreateMode::Ephemeral.with_acls(Acls::anyone_all());
    say("ephemeral", bounded(client.create(ephemeral_path, b"", &ephemeral)).await, |_| "ok".into());
    if let Ok((_, _, watcher)) = watcher {
        let event = tokio::time::timeout(Duration::from_secs(10), watcher.changed()).await;
        println!("event -> {:?}", event.map(|event| (event.event_type, event.path)));
    }
    let mut kids = bounded(client.list_children(base)).await.unwrap_or_default();
    kids.sort();
    println!("children -> {kids:?}");
}
