//! TLS as it is spoken and as it lies in files: the certificates of endpoints and files, valid or not, and this host's verdict on them.
//!
//! What flows through: an endpoint or a path in, the chain as it was shown or stands there out ([`crate::ports::ChainReader`],
//! [`crate::ports::CertificateProbe`]). What it never does: send anything but the greeting of TLS, keep or show a private key, wait for
//! ever, read without bound, or take a certificate for valid because it could be read.

mod endpoint;
mod files;
mod judge;
mod pem;

pub use endpoint::TlsProbe;

#[cfg(test)]
mod tests;
