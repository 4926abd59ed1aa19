//! The TI ADS1292/ADS1292R front-end.
