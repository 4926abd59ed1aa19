[
    File {
        name: "assets/app-3e31cfd6c2d4.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 188768,
        gzip: include_bytes!("assets/app-3e31cfd6c2d4.js.gz"),
    },
    File {
        name: "assets/app-c4e665f3a208.css",
        content_type: "text/css; charset=utf-8",
        bytes: 19734,
        gzip: include_bytes!("assets/app-c4e665f3a208.css.gz"),
    },
    File {
        name: "assets/theme-d1dfe209fd38.js",
        content_type: "text/javascript; charset=utf-8",
        bytes: 1001,
        gzip: include_bytes!("assets/theme-d1dfe209fd38.js.gz"),
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
