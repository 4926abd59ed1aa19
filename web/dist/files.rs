[
    File {
        name: "assets/app-1c94d3ad8016.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 133977,
        gzip: include_bytes!("assets/app-1c94d3ad8016.js.gz"),
    },
    File {
        name: "assets/app-7fc52261ac00.css",
        content_type: "text/css; charset=utf-8",
        bytes: 15616,
        gzip: include_bytes!("assets/app-7fc52261ac00.css.gz"),
    },
    File {
        name: "assets/theme-8fd2e0526770.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 1001,
        gzip: include_bytes!("assets/theme-8fd2e0526770.js.gz"),
    },
    File {
        name: "index.html",
        content_type: "text/html; charset=utf-8",
        bytes: 803,
        gzip: include_bytes!("index.html.gz"),
    },
    File {
        name: "sign-in.css",
        content_type: "text/css; charset=utf-8",
        bytes: 1174,
        gzip: include_bytes!("sign-in.css.gz"),
    },
    File {
        name: "sign-in.html",
        content_type: "text/html; charset=utf-8",
        bytes: 994,
        gzip: include_bytes!("sign-in.html.gz"),
    },
    File {
        name: "sign-in.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 1179,
        gzip: include_bytes!("sign-in.js.gz"),
    },
]
