//! Set-ups, their register images, and images that are none.

use super::*;
use crate::registers::{IdError, RespirationPhase};
use proptest::prelude::*;

#[test]
fn the_default_is_the_documented_ecg_set_up() {
    let image = ChipConfig::default().image(ChipModel::Ads1292);
    assert_eq!(
        image,
        [
            0x53, 0x02, 0xE0, 0x10, 0x00, 0x00, 0x2F, 0x0F, 0x00, 0x02, 0x07, 0x0C
        ]
    );
    assert_eq!(ChipConfig::default().lead_off.current.nanoamperes(), 6);
    assert!((ChipConfig::default().lead_off.threshold.percent() - 95.0).abs() < 1e-6);
}

#[test]
fn changing_the_rate_changes_config1_alone() {
    let default = ChipConfig::default();
    for rate in DataRate::ALL {
        let changed: Vec<_> = default
            .registers()
            .into_iter()
            .zip(default.with_rate(rate).registers())
            .filter(|(before, after)| before != after)
            .map(|(before, _)| before.0)
            .collect();
        let expected: &[Register] = if rate == default.rate {
            &[]
        } else {
            &[Register::Config1]
        };
        assert_eq!(changed, expected, "{rate:?}");
    }
}

#[test]
fn images_go_round() {
    let respiration = Respiration {
        demodulation: true,
        modulation: true,
        phase: RespirationPhase::Khz64 { step: 5 },
        ..Respiration::default()
    };
    let external = Reference::External {
        microvolts: 2_500_000,
    };
    let default = ChipConfig::default();
    let table = [
        (ChipModel::Ads1292, default),
        (ChipModel::Ads1292, ChipConfig::self_test(TestSignal::Dc)),
        (
            ChipModel::Ads1292R,
            ChipConfig {
                respiration,
                ..default.with_gain(Gain::X12).with_rate(DataRate::Sps8000)
            },
        ),
        (
            ChipModel::Ads1292,
            ChipConfig {
                reference: external,
                channels: [ChannelSettings::PoweredDown, ChannelSettings::default()],
                clock_divider: ClockDivider::By16,
                ..default
            },
        ),
    ];
    let wrong: Vec<_> = table
        .into_iter()
        .filter(|(model, config)| {
            ChipConfig::from_image(&config.image(*model), Some(2_500_000)) != Ok((*model, *config))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn impossible_images_are_refused() {
    let good = ChipConfig::default().image(ChipModel::Ads1292);
    let with = |register: Register, byte: u8| {
        let mut image = good;
        image[usize::from(register.address())] = byte;
        ChipConfig::from_image(&image, None)
    };
    assert_eq!(
        with(Register::Id, 0x52),
        Err(ConfigError::Id(IdError { found: 0x52 }))
    );
    assert_eq!(
        with(Register::Config2, 0x80),
        Err(ConfigError::ExternalReferenceUnknown)
    );
    assert_eq!(
        with(Register::Resp1, 0xC2),
        Err(ConfigError::RespirationUnsupported {
            model: ChipModel::Ads1292
        })
    );
    assert!(matches!(
        with(Register::Config1, 0x07),
        Err(ConfigError::Register(_))
    ));
    // What only the chip writes is no obstacle.
    assert!(with(Register::LoffStat, 0x1F).is_ok());
    assert!(with(Register::Gpio, 0x0F).is_ok());
}

proptest! {
    #[test]
    fn any_image_is_read_or_refused(image: RegisterImage, external: Option<u32>) {
        prop_assert!(
            ChipConfig::from_image(&image, external).is_err() || matches!(image[0], 0x53 | 0x73)
        );
    }

    #[test]
    fn what_an_image_says_is_kept(mut image: RegisterImage, respiration: bool) {
        for (byte, register) in image.iter_mut().zip(Register::ALL) {
            *byte = *byte & register.writable_mask() | register.fixed_ones();
        }
        image[0] = if respiration { 0x73 } else { 0x53 };
        if let Ok((model, config)) = ChipConfig::from_image(&image, Some(2_500_000)) {
            let again = ChipConfig::from_image(&config.image(model), Some(2_500_000));
            prop_assert_eq!(again, Ok((model, config)));
        }
    }
}
