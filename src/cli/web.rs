//! `ecg-gateway web`: who may open the page in a browser; and where it is for the other commands.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use ecg_chain::WallUs;
use serde::Serialize;

use super::failure::Failure;
use super::output;
use crate::api::{DEFAULT_PORT, Site, TokenName, TokensError, WebOptions, WebTokens};
use crate::config::{Config, WebConfig};

/// Let browsers open the gateway's page: make, list and revoke tokens, and print addresses to open.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: WebCommand,
}

#[derive(Debug, Subcommand)]
enum WebCommand {
    Token(TokenArguments),
}

/// Make, list and revoke the tokens that browsers sign in with, and print addresses made from them.
///
/// A token stands for a person or a screen. Its name stands in the audit, and is the author of what
/// is changed with it.
#[derive(Debug, Args)]
struct TokenArguments {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    New(New),
    List(List),
    Revoke(Revoke),
    Address(Address),
}

/// Where the tokens are.
#[derive(Debug, Args)]
struct Place {
    /// Configuration file of the gateway, which says where the tokens are.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/ecg-gateway/ecg-gateway.toml"
    )]
    config: PathBuf,
    /// Folder of the tokens [default: as the configuration says].
    #[arg(long, value_name = "FOLDER")]
    tokens: Option<PathBuf>,
}

/// Make a token.
#[derive(Debug, Args)]
#[group(id = "permission", required = true, multiple = false, args = ["read", "control"])]
struct New {
    /// Name: 1 to 64 of a to z, 0 to 9 and hyphen.
    #[arg(value_parser = name)]
    name: TokenName,
    /// It may look at everything and change nothing.
    #[arg(long)]
    read: bool,
    /// It may also change what can be changed.
    #[arg(long)]
    control: bool,
    #[command(flatten)]
    place: Place,
}

/// List the tokens, and how many browsers are signed in with each.
#[derive(Debug, Args)]
struct List {
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: Place,
}

/// Revoke a token: browsers that signed in with it are signed out within a second.
#[derive(Debug, Args)]
struct Revoke {
    /// Its name.
    #[arg(value_parser = name)]
    name: TokenName,
    #[command(flatten)]
    place: Place,
}

/// Print an address to open in a browser. It lets one browser in, once, within 5 minutes.
#[derive(Debug, Args)]
struct Address {
    /// Name of the token.
    #[arg(value_parser = name)]
    name: TokenName,
    /// Host and port to open, written as in web.hosts, such as localhost:8292 [default: the first of
    /// web.hosts, else web.listen, else 127.0.0.1:8292].
    #[arg(long, value_name = "HOST", value_parser = host)]
    at: Option<Site>,
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Listed {
    tokens: Vec<ListedToken>,
}

#[derive(Serialize)]
struct ListedToken {
    name: String,
    permission: &'static str,
    made_time: Option<String>,
    sessions: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let WebCommand::Token(arguments) = &arguments.command;
    match &arguments.command {
        TokenCommand::New(new) => {
            let (tokens, _) = new.place.open()?;
            tokens.create(new.name, new.control)?;
            output::text_line(&format!(
                "{}: may {}; `ecg-gateway web token address {}` prints an address for a browser",
                new.name,
                permission(new.control),
                new.name
            ))
        }
        TokenCommand::List(list) => {
            let (tokens, _) = list.place.open()?;
            print(&tokens, list.json)
        }
        TokenCommand::Revoke(revoke) => {
            let (tokens, _) = revoke.place.open()?;
            tokens.revoke(revoke.name)?;
            output::text_line(&format!("{}: revoked", revoke.name))
        }
        TokenCommand::Address(address) => {
            let (tokens, web) = address.place.open()?;
            let site = address.at.clone().or_else(|| first_site(&web));
            output::text_line(&open_address(&tokens, address.name, site.as_ref())?)
        }
    }
}

impl Place {
    /// The tokens, and what the configuration says of the page. With the folder given, the
    /// configuration may be missing.
    fn open(&self) -> Result<(WebTokens, WebConfig), Failure> {
        let config = match (&self.tokens, Config::load(&self.config)) {
            (Some(_), Err(_)) => Config::default(),
            (_, config) => config?,
        };
        let found = self.tokens.clone().map(WebTokens::at);
        Ok((found.unwrap_or_else(|| tokens(&config)), config.web))
    }
}

fn print(tokens: &WebTokens, json: bool) -> Result<(), Failure> {
    let list = tokens.list(|error| output::warn(&error.to_string()))?;
    let tokens: Vec<ListedToken> = list
        .iter()
        .map(|token| ListedToken {
            name: token.name.to_string(),
            permission: permission(token.control),
            made_time: WallUs(token.made_us).to_rfc3339(),
            sessions: token.sessions,
        })
        .collect();
    if json {
        return output::json(&Listed { tokens });
    }
    if tokens.is_empty() {
        return output::text_line("no tokens: `ecg-gateway web token new NAME --read` makes one");
    }
    for token in tokens {
        output::text_line(&format!(
            "{}  {}  made {}  sessions {}",
            token.name,
            token.permission,
            token.made_time.as_deref().unwrap_or("at an unknown time"),
            token.sessions
        ))?;
    }
    Ok(())
}

const fn permission(control: bool) -> &'static str {
    if control { "control" } else { "read" }
}

/// An address that lets one browser in.
pub(super) fn open_address(
    tokens: &WebTokens,
    name: TokenName,
    site: Option<&Site>,
) -> Result<String, TokensError> {
    let default = format!("http://127.0.0.1:{DEFAULT_PORT}");
    let origin = site.map_or(&*default, Site::origin);
    Ok(format!("{origin}/#token={}", tokens.single_use(name)?))
}

/// Where a browser most likely gets to the gateway.
fn first_site(web: &WebConfig) -> Option<Site> {
    let listen = web.listen.map(|listen| listen.to_string());
    web.hosts.first().cloned().or_else(|| Site::parse(&listen?))
}

/// Where the configuration has the tokens.
fn tokens(config: &Config) -> WebTokens {
    match &config.web.tokens {
        Some(folder) => WebTokens::at(folder),
        None => WebTokens::beside(&config.store.path),
    }
}

/// How the daemon lets browsers in; `simulated` does so unless the configuration says otherwise.
pub(super) fn options(config: &Config, simulated: bool) -> Option<WebOptions> {
    let web = &config.web;
    let configured = web.listen.is_some() || web.socket.is_some();
    if !configured {
        return simulated.then(|| WebOptions {
            timezone: config.timezone.clone(),
            ..on_a_free_port(tokens(config))
        });
    }
    Some(WebOptions {
        listen: web.listen,
        optional: false,
        socket: web.socket.clone(),
        sites: web.hosts.clone(),
        tokens: tokens(config),
        proxy: web.proxy.clone(),
        timezone: config.timezone.clone(),
    })
}

/// The usual port of this machine, or another one where that is taken.
pub(super) fn on_a_free_port(tokens: WebTokens) -> WebOptions {
    WebOptions {
        listen: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, DEFAULT_PORT))),
        optional: true,
        socket: None,
        sites: Vec::new(),
        tokens,
        proxy: None,
        timezone: None,
    }
}

/// Says how to open the page.
pub(super) fn say_how_to_open(path: &Path, config: &Config, address: Option<SocketAddr>) {
    let mut command = format!(
        "ecg-gateway web token address NAME --config {}",
        path.display()
    );
    let first = first_site(&config.web).map(|site| site.origin().to_owned());
    if let Some(address) = address
        && first.is_none()
        && address.port() != DEFAULT_PORT
    {
        command.push_str(&format!(" --at {address}"));
    }
    let address = address.map(|address| address.to_string());
    tracing::info!(
        address,
        command,
        "browsers may open the page: the command prints an address; `web token new` makes a token"
    );
}

fn name(text: &str) -> Result<TokenName, String> {
    TokenName::new(text).ok_or_else(|| "expected 1 to 64 of a to z, 0 to 9 and hyphen".to_owned())
}

fn host(text: &str) -> Result<Site, String> {
    Site::parse(text).ok_or_else(|| format!("expected {}", crate::api::HOST_EXPECTED))
}
