[
    File {
        name: "assets/page-placeholder.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 168,
        gzip: include_bytes!("assets/page-placeholder.js.gz"),
    },
    File {
        name: "index.html",
        content_type: "text/html; charset=utf-8",
        bytes: 249,
        gzip: include_bytes!("index.html.gz"),
    },
    File {
        name: "sign-in.css",
        content_type: "text/css; charset=utf-8",
        bytes: 275,
        gzip: include_bytes!("sign-in.css.gz"),
    },
    File {
        name: "sign-in.html",
        content_type: "text/html; charset=utf-8",
        bytes: 475,
        gzip: include_bytes!("sign-in.html.gz"),
    },
    File {
        name: "sign-in.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 720,
        gzip: include_bytes!("sign-in.js.gz"),
    },
]
