//! stub
use anyhow::Result;
pub(crate) const HELP:&str="";
pub(crate) fn run(_:&[String])->Result<()>{Ok(())}
