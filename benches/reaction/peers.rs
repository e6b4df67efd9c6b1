//! A mail server with STARTTLS and login, and a telephone service with TLS: the least that answers,
//! so that what is timed is the program.

use std::net::SocketAddr;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;

use crate::now;

/// When something had been read to its end, and whether it was an alarm.
pub(crate) type Arrivals = mpsc::UnboundedReceiver<u64>;

pub(crate) async fn mail_server(acceptor: TlsAcceptor) -> (SocketAddr, Arrivals) {
    let (tell, arrivals) = mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        async move {
            let _ = mail(stream, acceptor, tell).await;
        }
    })
    .await;
    (address, arrivals)
}

pub(crate) async fn telephone(acceptor: TlsAcceptor) -> (SocketAddr, Arrivals) {
    let (tell, arrivals) = mpsc::unbounded_channel();
    let address = serve(move |stream| {
        let (acceptor, tell) = (acceptor.clone(), tell.clone());
        async move {
            if let Ok(stream) = acceptor.accept(stream).await {
                let _ = calls(stream, tell).await;
            }
        }
    })
    .await;
    (address, arrivals)
}

async fn serve<F, Fut>(mut answer: F) -> SocketAddr
where
    F: FnMut(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port is free");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("TCP has it");
            tokio::spawn(answer(stream));
        }
    });
    address
}

async fn mail(
    mut stream: TcpStream,
    acceptor: TlsAcceptor,
    tell: mpsc::UnboundedSender<u64>,
) -> std::io::Result<()> {
    stream.write_all(b"220 bench ESMTP\r\n").await?;
    let mut plain = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if plain.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        if line.starts_with("STARTTLS") {
            plain.get_mut().write_all(b"220 go ahead\r\n").await?;
            break;
        }
        plain
            .get_mut()
            .write_all(b"250-bench\r\n250 STARTTLS\r\n")
            .await?;
    }
    let stream = acceptor.accept(plain.into_inner()).await?;
    conversation(BufReader::with_capacity(64 * 1024, stream), tell).await
}

async fn conversation<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    tell: mpsc::UnboundedSender<u64>,
) -> std::io::Result<()> {
    let mut line = Vec::new();
    let mut alarm = false;
    loop {
        line.clear();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(());
        }
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let reply: &[u8] = match &verb[..] {
            b"EHLO" => b"250-bench\r\n250-AUTH PLAIN\r\n250 8BITMIME\r\n",
            b"AUTH" => b"235 welcome\r\n",
            b"DATA" => {
                stream.get_mut().write_all(b"354 go on\r\n").await?;
                stream.get_mut().flush().await?;
                loop {
                    line.clear();
                    if stream.read_until(b'\n', &mut line).await? == 0 {
                        return Ok(());
                    }
                    if line == b".\r\n" {
                        break;
                    }
                    alarm |= line.starts_with(b"Subject:")
                        && line.windows(5).any(|part| part == b"ALARM");
                }
                if std::mem::take(&mut alarm) {
                    let _ = tell.send(now());
                }
                b"250 taken\r\n"
            }
            b"QUIT" => {
                stream.get_mut().write_all(b"221 bye\r\n").await?;
                return stream.get_mut().shutdown().await;
            }
            _ => b"250 ok\r\n",
        };
        stream.get_mut().write_all(reply).await?;
        stream.get_mut().flush().await?;
    }
}

async fn calls<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    tell: mpsc::UnboundedSender<u64>,
) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let placed = line.starts_with("POST") && line.contains("/Calls.json");
        let mut length = 0;
        loop {
            line.clear();
            stream.read_line(&mut line).await?;
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length is a number");
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        if placed {
            let _ = tell.send(now());
        }
        let answer = r#"{"sid":"CA1","status":"completed","friendly_name":"bench","calls":[]}"#;
        let status = if placed { "201 Created" } else { "200 OK" };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            answer.len()
        );
        stream
            .get_mut()
            .write_all(format!("{head}{answer}").as_bytes())
            .await?;
        stream.get_mut().flush().await?;
    }
}
